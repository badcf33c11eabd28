//! What the calls are made with: random arguments, and the care that they do not hit the program itself.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, Number, SHARED, TABLE, allowance};
use exos::abi::exposed::ExposedInfo;
use exos::abi::limits::{GUARANTEED_END, LIST_FRAMES, PAGE_BYTES, PAGE_SHIFT, USER_END};
use exos::abi::{Env, Error, Lo, Pid};
use exos::page_table::Rights;
use exos::region::Region;
use exos::{exposed, layout, machine, schedule};
use exos_checks::raw::calls::{address_of, call, context, insert, raw};
use exos_checks::tap::Outcome;
use exos_checks::{check_eq, get};

/// Pages that the calls may do anything to.
pub const SPARE_PAGES: u32 = 32;
/// Pages whose contents must not change.
pub const WATCHED_PAGES: u32 = 64;
/// Frames taken in hand for the calls to give up.
pub const SPARE_FRAMES: usize = 32;
/// More frames than this are given back in between.
pub const MOST_FRAMES: usize = 256;

/// More environments than this are forgotten.
pub const MOST_ENVIRONMENTS: usize = 40;

/// Marsaglia's xorshift, 32 bits.
pub struct Random(u32);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.next() % bound
    }

    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }
}

/// What the calls are made with.
pub struct Player {
    random: Random,
    spare: Region,
    watched: Region,
    /// Pages of this program: no call may change what they are bound to.
    own_pages: BTreeSet<u32>,
    /// Frames of this program: no call may give them up.
    own_frames: BTreeSet<u32>,
    /// Frames that the calls may give up.
    pub frames: Vec<u32>,
    /// Environments that the calls have made, living or gone. None of them ever runs.
    pub environments: Vec<u32>,
    /// The environment's own context, and one of nothing.
    context: Box<Env>,
    nothing: Box<Env>,
    /// Numbers of frames to be passed on.
    list: Box<[u32; LIST_FRAMES]>,
    /// Where the kernel may write.
    told: Box<ExposedInfo>,
    frame_count: u32,
}

/// Is the second argument of this call an environment, too?
fn takes_two_pids(number: u32) -> bool {
    number == Number::e_add as u32
}

impl Player {
    pub fn new(seed: u32) -> Result<Player, alloc::string::String> {
        let spare = get!(Region::reserve(SPARE_PAGES));
        let watched = get!(Region::reserve(WATCHED_PAGES));
        get!(watched.demand_zero(0..WATCHED_PAGES, Rights::ReadWrite));
        for page in 0..WATCHED_PAGES {
            watched.store(page * PAGE_BYTES, !page);
        }
        let mut player = Player {
            random: Random(seed),
            spare,
            watched,
            own_pages: BTreeSet::new(),
            own_frames: BTreeSet::new(),
            frames: Vec::with_capacity(MOST_FRAMES + SPARE_FRAMES),
            environments: Vec::with_capacity(MOST_ENVIRONMENTS),
            context: Box::new(context()),
            nothing: Box::new(Env::EMPTY),
            list: Box::new([0; LIST_FRAMES]),
            told: Box::new(get!(exposed::info())),
            frame_count: machine::info().frames,
        };
        player.take_stock();
        Ok(player)
    }

    /// Notes what the program lives on. Its heap and stack may grow, so this is done every now and then.
    pub fn take_stock(&mut self) {
        let (mut pages, mut frames) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let before = machine::counts().zero_fills;
            pages.clear();
            frames.clear();
            machine::for_each_page(|page, lo| {
                pages.insert(page);
                if lo.v() {
                    frames.insert(lo.pfn());
                }
            });
            for (address, lo) in machine::guaranteed_mappings().chain(machine::tables()) {
                pages.insert(address >> PAGE_SHIFT);
                if lo.v() {
                    frames.insert(lo.pfn());
                }
            }
            // Building the sets may itself have taken memory.
            if machine::counts().zero_fills == before {
                break;
            }
        }
        pages.retain(|page| !self.is_spare(page << PAGE_SHIFT));
        self.own_pages = pages;
        self.own_frames = frames;
    }

    /// Does the address lie in a page to which the calls may do anything?
    fn is_spare(&self, va: u32) -> bool {
        (self.spare.start()..self.spare.address(SPARE_PAGES)).contains(&va)
    }

    /// An address: odd ones, and the edges of all that has edges.
    pub fn address(&mut self) -> u32 {
        let base = match self.random.below(12) {
            0 => self.random.next(),
            1 => 0,
            2 => USER_END,
            3 => GUARANTEED_END,
            4 => layout::WINDOW.start + self.random.below(layout::WINDOW.pages) * PAGE_BYTES,
            5 => self.random.below(16) * PAGE_BYTES,
            6 => self.random.choose(&[0x8000_0000, 0xa000_0000, 0xc000_0000, 0xffff_f000]),
            7 => layout::IMAGE.start + self.random.below(32) * PAGE_BYTES,
            8 => self.watched.address(self.random.below(WATCHED_PAGES)),
            9 => layout::STACK.end(),
            _ => self.spare.address(self.random.below(SPARE_PAGES)),
        };
        let offset = match self.random.below(6) {
            0 => self.random.below(PAGE_BYTES),
            1 => PAGE_BYTES - 1 - self.random.below(8),
            2 => 0u32.wrapping_sub(self.random.below(8)),
            3 => self.random.below(8),
            _ => 0,
        };
        base.wrapping_add(offset)
    }

    /// A number of frames or pages, or of anything.
    pub fn number(&mut self) -> u32 {
        match self.random.below(8) {
            0 => self.random.next(),
            1 => self.random.choose(&[0, 1, u32::MAX, i32::MAX as u32, 1 << 31, 0xf_ffff, 0x10_0000, 0xffff, 0x1_0000]),
            2 => self.frame_count.wrapping_add(self.random.below(3)).wrapping_sub(1),
            3 => self.random.below(self.frame_count),
            4 if !self.frames.is_empty() => self.random.choose(&self.frames),
            5 => 1 << self.random.below(32),
            _ => self.random.below(16),
        }
    }

    pub fn lo(&mut self) -> u32 {
        let frame = if self.random.below(2) == 0 || self.frames.is_empty() {
            self.number()
        } else {
            self.random.choose(&self.frames)
        };
        let bits = match self.random.below(4) {
            0 => self.random.next() & 0xfff,
            1 => Lo::V,
            _ => Lo::V | Lo::D | Lo::W,
        };
        frame << PAGE_SHIFT | bits
    }

    /// The name of an environment, of its own or another's, perhaps of none.
    pub fn pid(&mut self) -> u32 {
        match self.random.below(8) {
            0 => self.random.next(),
            1 => machine::pid().0,
            2 => self.random.below(4),
            _ if self.environments.is_empty() => machine::pid().0,
            3 => self.random.choose(&self.environments),
            _ => {
                // Of the last ones some live.
                let last = self.environments.len() - 1;
                self.environments[last.saturating_sub(self.random.below(3) as usize)]
            }
        }
    }

    pub fn argument(&mut self) -> u32 {
        match self.random.below(4) {
            0 => self.address(),
            1 => self.number(),
            2 => self.lo(),
            _ => self.random.next(),
        }
    }

    /// Where a list of frames may be.
    fn list(&mut self) -> u32 {
        if self.random.below(4) == 0 { self.address() } else { address_of(&*self.list) }
    }

    /// One call; its number and error code.
    pub fn play(&mut self) -> (u32, u32) {
        let number = match self.random.below(4) {
            0 => self.random.below(256),
            _ => TABLE[self.random.below(TABLE.len() as u32) as usize].number,
        };
        let mut arguments = [self.argument(), self.argument(), self.argument(), self.argument()];
        if self.random.below(4) != 0 {
            // Arguments of the right kind get further.
            match number {
                n if n == Number::tlbwr as u32 => arguments = [self.address(), self.lo(), arguments[2], arguments[3]],
                8..13 => arguments = [self.address(), self.number(), arguments[2], arguments[3]],
                n if n == Number::p_add as u32 => {
                    let prot = self.random.choose(&[0, 1, 3, 2]);
                    let frame = if self.frames.is_empty() { 0 } else { self.random.choose(&self.frames) };
                    arguments = [prot, self.pid(), frame, 0];
                }
                n if n == Number::p_give as u32 => arguments = [self.pid(), self.list(), self.random.below(5), 0],
                n if n == Number::p_share as u32 => {
                    arguments = [self.pid(), self.random.choose(&[1, 3, 2]), self.list(), self.random.below(5)];
                }
                n if n == Number::p_accept as u32 => arguments = [self.pid(), self.random.below(5), 0, 0],
                16..24 => arguments[0] = self.number(),
                n if n == Number::memcpy as u32 || n == Number::memset as u32 => {
                    let frame = |player: &mut Player| match player.random.below(4) {
                        0 => player.number(),
                        _ => player.frames.first().copied().unwrap_or(0),
                    };
                    arguments = [frame(self), frame(self), self.random.below(20), self.random.below(0x2000)];
                }
                n if n == Number::fpu as u32 => arguments[0] = self.random.below(3),
                n if n == Number::s_free as u32 => arguments[0] = self.random.below(70),
                n if n == Number::e_alloc as u32 => {
                    arguments[0] = self.random.choose(&[ANY, ANY, ANY, 0, 5, 63, 64]);
                    // An account stays as long as one that draws on it.
                    arguments[2] = self.random.choose(&[0, SHARED, allowance(1, 1)]);
                    if self.random.below(4) == 0 {
                        arguments[1] = address_of(&*self.nothing);
                    }
                }
                n if n == Number::read_exposed_info as u32 => arguments[0] = self.address() & !3,
                4..16 | 26..39 => {
                    arguments[0] = self.pid();
                    arguments[1] = if takes_two_pids(number) { self.pid() } else { self.random.below(70) };
                    if number == Number::e_write as u32 {
                        arguments[2] = address_of(&*self.context);
                        insert(arguments[2]);
                    }
                    arguments[3] = self.random.below(70);
                }
                _ => arguments = [self.address(), self.number(), arguments[2], arguments[3]],
            }
        }
        if !self.harmless(number, &mut arguments) {
            return (number, u32::MAX);
        }
        let (value, code) = if number == Number::r#yield as u32 {
            // The library must know, to go on.
            (0, schedule::yield_to(Pid(arguments[0])).map_or_else(|error| error as u32, |()| 0))
        } else {
            // Again as long as the kernel has done only a part.
            loop {
                let (value, code) = raw(number, arguments);
                if code != Error::Again as u32 {
                    break (value, code);
                }
            }
        };
        if code == Error::NoSuchEnvironment as u32 && self.random.below(4) != 0 {
            // Few names of those that are gone are kept.
            self.environments.retain(|&pid| pid != arguments[0]);
        }
        if code == 0 {
            if number == Number::e_alloc as u32 {
                if self.environments.len() == MOST_ENVIRONMENTS {
                    self.environments.swap_remove(0);
                }
                self.environments.push(value);
            } else if number == Number::p_alloc as u32 {
                self.frames.push(value);
            } else if number == Number::p_unref as u32 {
                self.frames.retain(|&frame| frame != arguments[0]);
            } else if number == Number::p_give as u32 {
                let given = &self.list[..value as usize];
                self.frames.retain(|frame| !given.contains(frame));
            }
        }
        (number, code)
    }

    /// Sees to it that a call cannot take away what the program lives on. False if the call must not be made.
    pub fn harmless(&mut self, number: u32, arguments: &mut [u32; 4]) -> bool {
        const E_FREE: u32 = Number::e_free as u32;
        const E_UNREF: u32 = Number::e_unref as u32;
        const E_ALLOC: u32 = Number::e_alloc as u32;
        const S_ALLOC: u32 = Number::s_alloc as u32;
        const S_FREE: u32 = Number::s_free as u32;
        const DONATE: u32 = Number::donate as u32;
        const POWER_OFF: u32 = Number::power_off as u32;
        const E_SET: u32 = Number::e_set as u32;
        const TLBWR: u32 = Number::tlbwr as u32;
        const P_UNREF: u32 = Number::p_unref as u32;
        const P_GIVE: u32 = Number::p_give as u32;
        const P_SHARE: u32 = Number::p_share as u32;
        const READ_EXPOSED_INFO: u32 = Number::read_exposed_info as u32;
        const MEMCPY: u32 = Number::memcpy as u32;
        const MEMSET: u32 = Number::memset as u32;
        const CONSOLE_WRITE: u32 = Number::console_write as u32;
        let own = machine::pid().0;
        match number {
            // It would succeed.
            POWER_OFF => return false,
            // The program would be gone, or have no slice.
            E_FREE | E_UNREF | DONATE if arguments[0] == own => return false,
            S_FREE if arguments[0] == 0 => return false,
            // Whatever the kernel accepts must be nothing: none of them is to run.
            E_ALLOC => {
                if arguments[1] & 3 == 0 && self.bound(arguments[1]) {
                    arguments[1] = address_of(&*self.nothing);
                    insert(arguments[1]);
                    insert(arguments[1] + size_of::<Env>() as u32 - 1);
                }
            }
            // A slice of one that never runs is of no use to anybody: that is enough now and then.
            S_ALLOC if arguments[0] != own && self.random.below(64) != 0 => return false,
            TLBWR if self.own_pages.contains(&(arguments[0] >> PAGE_SHIFT)) => {
                // Pages under guaranteed mappings are the kernel's to protect.
                let guaranteed = layout::PINNED.iter().any(|(area, _)| area.contains(arguments[0]));
                if !guaranteed {
                    arguments[0] = self.spare.start() + (arguments[0] & (PAGE_BYTES - 1));
                }
            }
            P_UNREF if self.own_frames.contains(&arguments[0]) => match self.frames.last() {
                Some(&frame) => arguments[0] = frame,
                None => return false,
            },
            // Any list that the kernel accepts must be of spare frames.
            P_GIVE | P_SHARE => {
                let place = if number == P_GIVE { 1 } else { 2 };
                if arguments[place] & 3 == 0 && self.bound(arguments[place]) {
                    self.list.fill(0);
                    self.list.iter_mut().zip(self.frames.iter().rev()).for_each(|(place, frame)| *place = *frame);
                    arguments[place] = address_of(&*self.list);
                    insert(arguments[place]);
                    insert(arguments[place] + size_of::<[u32; LIST_FRAMES]>() as u32 - 1);
                }
            }
            // What is written to must be meant for it; a spare page may be bound to anything.
            READ_EXPOSED_INFO => {
                let last = arguments[0].saturating_add(size_of::<ExposedInfo>() as u32 - 1);
                let bound = [arguments[0], last]
                    .into_iter()
                    .any(|va| self.is_spare(va) || self.own_pages.contains(&(va >> PAGE_SHIFT)));
                if arguments[0] & 3 == 0 && bound {
                    arguments[0] = address_of(&*self.told);
                    insert(arguments[0]);
                    insert(arguments[0] + size_of::<ExposedInfo>() as u32 - 1);
                }
            }
            // Frames of the program's are not to be overwritten.
            MEMCPY => return !self.hits_own(arguments[0], 0, arguments[2].saturating_mul(PAGE_BYTES)),
            MEMSET => return !self.hits_own(arguments[0], arguments[1], arguments[3]),
            // Any context that the kernel accepts must be the program's own. In a page of the program's, a pointer may
            // name anything; in a spare page, there are zeros or what other calls left there.
            E_SET => {
                let names_memory = arguments[0] & 3 == 0 && self.bound(arguments[0]);
                if names_memory {
                    arguments[0] = address_of(&*self.context);
                    insert(arguments[0]);
                    insert(arguments[0] + size_of::<Env>() as u32 - 1);
                }
            }
            // Not too much noise on the console.
            CONSOLE_WRITE if self.bound(arguments[0]) && arguments[1] <= 2 * PAGE_BYTES => {
                static DOT: [u8; 1] = *b".";
                arguments[0] = address_of(&DOT);
                arguments[1] = self.random.below(2);
                if self.random.below(64) != 0 {
                    arguments[1] = 0;
                }
            }
            _ => {}
        }
        true
    }

    /// Does one of so many bytes, counted from the start of a frame, lie in a frame of the program's?
    fn hits_own(&self, frame: u32, offset: u32, bytes: u32) -> bool {
        let start = u64::from(frame) * u64::from(PAGE_BYTES) + u64::from(offset);
        let beyond = start + u64::from(bytes);
        self.own_frames.iter().any(|&own| {
            let own = u64::from(own) * u64::from(PAGE_BYTES);
            own < beyond && start < own + u64::from(PAGE_BYTES)
        })
    }

    /// Destroys all environments that the calls have made.
    pub fn end_environments(&mut self) {
        for pid in core::mem::take(&mut self.environments) {
            // Most are gone.
            let _ = call(Number::e_free, [pid, 0, 0, 0]);
        }
    }

    pub fn bound(&self, address: u32) -> bool {
        machine::mapping(address).is_some() || machine::probe(address).is_some()
    }

    /// Gives spare frames back when there are too many, and takes new ones when there are none.
    pub fn tidy(&mut self) -> Outcome {
        while self.frames.len() > MOST_FRAMES - SPARE_FRAMES {
            let frame = self.frames.swap_remove(0);
            if let Err(error) = call(Number::p_unref, [frame, 0, 0, 0]) {
                return Err(alloc::format!("giving frame {frame} back: {error}").into());
            }
        }
        while self.frames.len() < SPARE_FRAMES {
            self.frames.push(get!(call(Number::p_alloc, [ANY, 0, 0, 0])));
        }
        Ok(())
    }

    /// The watched pages hold what they held.
    pub fn check_watched(&self) -> Outcome {
        for page in 0..WATCHED_PAGES {
            check_eq!(self.watched.load(page * PAGE_BYTES), !page, "word of page {page}");
            self.watched.store(page * PAGE_BYTES + 4, page);
        }
        Ok(())
    }
}
