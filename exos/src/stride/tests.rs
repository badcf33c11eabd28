use super::*;
use proptest::prelude::*;

/// Schedules so many quanta among processes with these tickets; `look` is shown what each has had, after each.
fn schedule(tickets: &[u32], quanta: u32, mut look: impl FnMut(&[u32])) {
    let mut scheduler = Stride::new();
    for (n, &tickets) in tickets.iter().enumerate() {
        scheduler.add(Pid(n as u32), tickets);
    }
    let mut had = std::vec![0; tickets.len()];
    for _ in 0..quanta {
        had[scheduler.choose().expect("somebody is there").0 as usize] += 1;
        look(&had);
    }
}

proptest! {
    #[test]
    fn of_any_two_the_shares_are_within_a_quantum_at_every_point(tickets in prop::collection::vec(1u32..17, 2..8)) {
        schedule(&tickets, 1000, |had| {
            for (i, j) in (0..had.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
                let (both, all) = (had[i] + had[j], tickets[i] + tickets[j]);
                assert!((had[i] * all).abs_diff(both * tickets[i]) <= all, "{had:?} of {tickets:?}");
            }
        });
    }
}

#[test]
fn shares_of_3_2_and_1_are_within_a_quantum_at_every_point() {
    let mut quanta = 0;
    schedule(&[3, 2, 1], 6000, |had| {
        quanta += 1;
        for (had, tickets) in had.iter().zip([3, 2, 1]) {
            assert!((had * 6).abs_diff(quanta * tickets) <= 6, "{had:?} after {quanta}");
        }
    });
}

#[test]
fn nobody_is_scheduled_who_was_taken_out() {
    let mut scheduler = Stride::new();
    assert_eq!(scheduler.choose(), None);
    scheduler.add(Pid(1), 3);
    scheduler.add(Pid(2), 1);
    scheduler.remove(Pid(1));
    assert!((0..10).all(|_| scheduler.choose() == Some(Pid(2))));
}
