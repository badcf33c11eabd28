//! A simple model of who may do what with which frame, to be compared with the kernel's tables after every step.

use super::model::*;
use crate::Kernel;
use crate::frame::{Owner, Right};
use aegis_abi::calls::{READ, READ_WRITE};
use aegis_abi::limits::{ENVS, PAGE_SHIFT, RESERVED_FRAMES};
use aegis_abi::{Env, Lo};
use std::collections::{BTreeMap, BTreeSet};
use stlb::Geometry;

/// A frame that is somebody's.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Frame {
    owner: usize,
    /// The holders; true: who may write.
    holders: BTreeMap<usize, bool>,
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
        let before = self.frames.insert(n, Frame { owner: env, holders: BTreeMap::from([(env, true)]) });
        assert_eq!(before, None, "frame {n} was given twice");
    }

    /// `p_unref` was granted.
    pub fn given_up(&mut self, env: usize, n: u32) {
        let Some(frame) = self.frames.get_mut(&n) else { panic!("frame {n}, which is nobody's, was given up") };
        assert!(frame.holders.remove(&env).is_some(), "frame {n} was given up by one who has no right to it");
        self.settle(n);
    }

    /// `p_add` was granted to `by`.
    pub fn added(&mut self, by: usize, protection: u32, env: usize, n: u32) {
        let Some(frame) = self.frames.get_mut(&n) else { panic!("a right to frame {n}, which is nobody's, was given") };
        assert_eq!(frame.owner, by, "a right to frame {n} was given by another than its owner");
        match protection {
            0 => frame.holders.remove(&env),
            READ => frame.holders.insert(env, false),
            READ_WRITE => frame.holders.insert(env, true),
            _ => panic!("protection {protection} was granted"),
        };
        self.settle(n);
    }

    /// `e_alloc` was granted to `by`: the new one has what its context uses.
    pub fn created(&mut self, by: usize, env: usize, context: &Env) {
        let Env { tlbx_save_area, genx_save_area, intx_save_area, iq, vector, .. } = *context;
        let places = [tlbx_save_area, genx_save_area, intx_save_area, iq, vector];
        let written = places.into_iter().filter(|&address| address != 0).map(|address| (address >> PAGE_SHIFT, true));
        let mapped = context.xl.iter().filter(|mapping| mapping.va != 0).map(|mapping| mapping.lo());
        for (n, writes) in written.chain(mapped.map(|lo: Lo| (lo.pfn(), lo.w()))) {
            // What is not in the model is the kernel's, and public.
            let Some(frame) = self.frames.get_mut(&n) else {
                assert!(!writes && n == PUBLIC_FRAME, "frame {n} was bound by one who has no right to it");
                continue;
            };
            let may = frame.holders.get(&by).is_some_and(|&may_write| may_write || !writes);
            assert!(may, "frame {n} was bound by one who has no right to it");
            *frame.holders.entry(env).or_default() |= writes;
        }
        self.living.insert(env);
    }

    /// The owner of a frame may have gone, or all who held it.
    fn settle(&mut self, n: u32) {
        let Some(frame) = self.frames.get_mut(&n) else { return };
        match frame.holders.keys().next() {
            None => {
                self.frames.remove(&n);
            }
            Some(&lowest) if !frame.holders.contains_key(&frame.owner) => frame.owner = lowest,
            Some(_) => {}
        }
    }

    /// Compares with the kernel: only the dead, and force, may have changed more.
    pub fn check<G: Geometry>(&mut self, kernel: &Kernel<Model<G>>) {
        let (frames, living) = look(kernel);
        for dead in self.living.difference(&living) {
            self.frames.values_mut().for_each(|frame| {
                frame.holders.remove(dead);
            });
        }
        self.living = living;
        self.frames.keys().copied().collect::<Vec<_>>().into_iter().for_each(|n| self.settle(n));

        let taken: Vec<u32> = self.frames.keys().copied().filter(|n| !frames.contains_key(n)).collect();
        self.taken(kernel, taken);
        assert_eq!(self.frames, frames, "rights to frames");
    }

    /// Frame `n` was just allocated. Where it was somebody's, that one was robbed just before, and others with it perhaps.
    pub fn check_force<G: Geometry>(&mut self, kernel: &Kernel<Model<G>>, n: u32) {
        if self.frames.contains_key(&n) {
            self.taken(kernel, vec![n]);
        }
    }

    /// Frames were taken by force.
    fn taken<G: Geometry>(&mut self, kernel: &Kernel<Model<G>>, taken: Vec<u32>) {
        for n in taken {
            let Frame { owner, holders } = &self.frames[&n];
            let reserved = |env: &usize| kernel.environments[*env].context.reserved.contains(&n);
            assert!(!holders.keys().any(reserved), "frame {n} was taken, which is reserved");
            let owned = self.frames.values().filter(|frame| frame.owner == *owner).count();
            assert!(owned > RESERVED_FRAMES, "frame {n} was taken from one who has no more than its reservation");
            self.frames.remove(&n);
        }
    }
}

/// What the kernel's tables say.
fn look<G: Geometry>(kernel: &Kernel<Model<G>>) -> (BTreeMap<u32, Frame>, BTreeSet<usize>) {
    let mut frames = BTreeMap::new();
    for n in 0..FRAMES {
        if let Owner::Environment(owner) = kernel.frames.owner(n) {
            let may = |right| move |&env: &usize| kernel.frames.has(env, n, right);
            let holders = (0..ENVS).filter(may(Right::Read)).map(|env| (env, may(Right::Write)(&env))).collect();
            frames.insert(n, Frame { owner, holders });
        }
    }
    (frames, (0..ENVS).filter(|&env| kernel.is_alive(env)).collect())
}
