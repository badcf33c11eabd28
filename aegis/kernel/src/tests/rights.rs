//! A simple model of who holds shares of which frame, and who was granted what, to be compared with
//! the kernel's tables after every step.

use super::model::*;
use crate::Kernel;
use crate::frame::{Owner, Right};
use aegis_abi::calls::{READ, READ_WRITE};
use aegis_abi::limits::{ENVS, PAGE_SHIFT, RESERVED_FRAMES};
use aegis_abi::{Env, Lo};
use std::collections::{BTreeMap, BTreeSet};
use stlb::Geometry;

/// A frame of which somebody holds a share.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Frame {
    /// Whose grants stand.
    owner: usize,
    /// Who may read it; true: who may write it, too.
    holders: BTreeMap<usize, bool>,
    /// Who holds a share.
    sharers: BTreeSet<usize>,
}

impl Frame {
    /// The holders that were granted their rights.
    fn has_grantees(&self) -> bool {
        self.holders.keys().any(|holder| !self.sharers.contains(holder))
    }

    /// An environment has no right any more.
    fn lose(&mut self, env: usize) {
        self.holders.remove(&env);
        let had_share = self.sharers.remove(&env);
        if had_share && self.owner == env {
            self.holders.retain(|holder, _| self.sharers.contains(holder));
            self.owner = self.sharers.first().copied().unwrap_or(env);
        }
        self.complete();
    }

    /// Who holds the only share has every right.
    fn complete(&mut self) {
        if let (1, Some(&only)) = (self.sharers.len(), self.sharers.first()) {
            self.holders.insert(only, true);
        }
    }
}

/// What the model knows.
pub struct Rights {
    frames: BTreeMap<u32, Frame>,
    living: BTreeSet<usize>,
}

impl Rights {
    /// As the kernel has it now.
    pub fn of<G: Geometry>(kernel: &Kernel<Model<G>>) -> Rights {
        let (frames, living) = look(kernel);
        Rights { frames, living }
    }

    /// `p_alloc` has given a frame.
    pub fn allocated(&mut self, env: usize, n: u32) {
        let frame = Frame { owner: env, holders: BTreeMap::from([(env, true)]), sharers: BTreeSet::from([env]) };
        assert_eq!(self.frames.insert(n, frame), None, "frame {n} was given twice");
    }

    /// `p_unref` was granted.
    pub fn given_up(&mut self, env: usize, n: u32) {
        let frame = self.frame(n);
        assert!(frame.holders.contains_key(&env), "frame {n} was given up by one who has no right to it");
        frame.lose(env);
        self.frames.retain(|_, frame| !frame.sharers.is_empty());
    }

    /// `p_add` was granted to `by`.
    pub fn granted(&mut self, by: usize, protection: u32, env: usize, n: u32) {
        let frame = self.frame(n);
        frame.check_passing(by, protection, n);
        assert!(!frame.sharers.contains(&env), "{env}, which has a share of frame {n}, was granted something");
        assert!(frame.owner == by || !frame.has_grantees(), "frame {n} has grants of two environments");
        match protection {
            0 => drop(frame.holders.remove(&env)),
            _ => {
                frame.owner = by;
                frame.holders.insert(env, protection == READ_WRITE);
            }
        }
    }

    /// `p_share` has given `env` shares of frames, at the will of a writer of it, or not.
    pub fn shared(&mut self, by: usize, protection: u32, env: usize, frames: &[u32], is_writer: bool) {
        for &n in frames {
            let frame = self.frame(n);
            frame.check_passing(by, protection, n);
            let had = !is_writer && frame.holders.get(&env) == Some(&true);
            frame.holders.insert(env, protection == READ_WRITE || had);
            frame.sharers.insert(env);
            frame.complete();
        }
    }

    /// `p_give` has given `env` the shares of `by`.
    pub fn given(&mut self, by: usize, env: usize, frames: &[u32]) {
        for &n in frames {
            let frame = self.frame(n);
            let Some(&may_write) = frame.holders.get(&by).filter(|_| frame.sharers.contains(&by)) else {
                assert!(frames.iter().filter(|&&other| other == n).count() > 1, "no share of frame {n} was given");
                continue;
            };
            *frame.holders.entry(env).or_default() |= may_write;
            frame.sharers.insert(env);
            frame.lose(by);
        }
    }

    /// `e_alloc` was granted to `by`: the new one has shares of what its context names.
    pub fn created(&mut self, by: usize, env: usize, context: &Env) {
        let Env { tlbx_save_area, genx_save_area, intx_save_area, iq, vector, .. } = *context;
        let places = [tlbx_save_area, genx_save_area, intx_save_area, iq, vector];
        let written = places.into_iter().filter(|&address| address != 0).map(|address| (address >> PAGE_SHIFT, true));
        let mapped = context.xl.iter().filter(|mapping| mapping.va != 0).map(|mapping| mapping.lo());
        let mapped = mapped.map(|lo: Lo| (lo.pfn(), lo.w()));
        let reserved = context.reserved.iter().filter(|&&n| n != Env::NO_FRAME).map(|&n| (n, false));
        for (n, writes) in written.chain(mapped).chain(reserved) {
            // What is not in the model is the kernel's, and public.
            let Some(frame) = self.frames.get_mut(&n) else {
                assert!(!writes && n == PUBLIC_FRAME, "frame {n} was bound by one who has no right to it");
                continue;
            };
            frame.check_passing(by, if writes { READ_WRITE } else { READ }, n);
            *frame.holders.entry(env).or_default() |= writes;
            frame.sharers.insert(env);
        }
        self.living.insert(env);
    }

    fn frame(&mut self, n: u32) -> &mut Frame {
        self.frames
            .get_mut(&n)
            .unwrap_or_else(|| panic!("something was done to frame {n}, of which nobody has a share"))
    }

    /// Compares with the kernel: only the dead, and force, may have changed more.
    pub fn check<G: Geometry>(&mut self, kernel: &Kernel<Model<G>>) {
        let (frames, living) = look(kernel);
        for &dead in self.living.difference(&living) {
            self.frames
                .values_mut()
                .filter(|frame| frame.holders.contains_key(&dead))
                .for_each(|frame| frame.lose(dead));
        }
        self.living = living;
        self.frames.retain(|_, frame| !frame.sharers.is_empty());

        let taken: Vec<u32> = self.frames.keys().copied().filter(|n| !frames.contains_key(n)).collect();
        self.taken(kernel, taken);
        assert_eq!(self.frames, frames, "rights to frames");
    }

    /// Frame `n` was just allocated. Where it was somebody's, that one was robbed just before, and
    /// others with it perhaps.
    pub fn check_force<G: Geometry>(&mut self, kernel: &Kernel<Model<G>>, n: u32) {
        if self.frames.contains_key(&n) {
            self.taken(kernel, vec![n]);
        }
    }

    /// Frames were taken by force.
    fn taken<G: Geometry>(&mut self, kernel: &Kernel<Model<G>>, taken: Vec<u32>) {
        for n in taken {
            let Frame { sharers, .. } = &self.frames[&n];
            let reserved = |env: &usize| kernel.environments[*env].context.reserved.contains(&n);
            assert!(!sharers.iter().any(reserved), "frame {n} was taken, which is reserved");
            let owned = |env: &usize| self.frames.values().filter(|frame| frame.sharers.contains(env)).count();
            let is_rich = sharers.iter().any(|env| owned(env) > RESERVED_FRAMES);
            assert!(is_rich, "frame {n} was taken from those who have no more than their reservation");
            self.frames.remove(&n);
        }
    }
}

impl Frame {
    /// Who passes a right on holds a share, and has the right.
    fn check_passing(&self, by: usize, protection: u32, n: u32) {
        let may = self.holders.get(&by).is_some_and(|&may_write| may_write || protection != READ_WRITE);
        assert!(may && self.sharers.contains(&by), "a right to frame {n} was passed on by {by}, which may not");
    }
}

/// What the kernel's tables say. The dying are among the living until nothing is left of them.
fn look<G: Geometry>(kernel: &Kernel<Model<G>>) -> (BTreeMap<u32, Frame>, BTreeSet<usize>) {
    let mut frames = BTreeMap::new();
    for n in 0..FRAMES {
        if let Owner::Environment(owner) = kernel.frames.owner(n) {
            let may = |right| move |&env: &usize| kernel.frames.has(env, n, right);
            let holders = (0..ENVS).filter(may(Right::Read)).map(|env| (env, may(Right::Write)(&env))).collect();
            let sharers = (0..ENVS).filter(|&env| kernel.frames.shares(env, n)).collect();
            frames.insert(n, Frame { owner, holders, sharers });
        }
    }
    (frames, (0..ENVS).filter(|&env| kernel.is_alive(env) || kernel.is_dying(env)).collect())
}
