//! Ends of a stack in one step, over its guard page.

/// Has a local variable that no stack has room for.
#[inline(never)]
pub fn large_array() -> i32 {
    let array = [exos::args().count() as u8; 400_000];
    core::hint::black_box(&array)[0].into()
}
