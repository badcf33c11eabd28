//! The `lo` word of the interface.

bitfield::bitfield! {
    /// The part of a TLB entry that is bound to a virtual page, as the interface has it on every machine (thesis figure
    /// 9-8; it is the R3000's EntryLo with the software's bits in the low 8).
    #[derive(Clone, Copy, PartialEq, Eq, Default)]
    #[repr(transparent)]
    pub struct Lo(pub u32);
    impl Debug;
    /// May the page be made writable?
    pub w, set_w: 0;
    /// For the library OS: 7 bits that the STLB keeps.
    pub tags, set_tags: 7, 1;
    /// Global: matches every address space. The kernel forces it to 0.
    pub g, set_g: 8;
    /// Valid.
    pub v, set_v: 9;
    /// Dirty: the page is writable.
    pub d, set_d: 10;
    /// Not cacheable.
    pub n, set_n: 11;
    /// Page frame number.
    pub pfn, set_pfn: 31, 12;
}

impl Lo {
    /// No mapping.
    pub const INVALID: Lo = Lo(0);

    /// The bit `w`.
    pub const W: u32 = 1 << 0;
    /// The bit `g`.
    pub const G: u32 = 1 << 8;
    /// The bit `v`.
    pub const V: u32 = 1 << 9;
    /// The bit `d`.
    pub const D: u32 = 1 << 10;
    /// The bit `n`.
    pub const N: u32 = 1 << 11;
    /// The bits of the software: `w` and the tags.
    pub const SOFT: u32 = 0xff;

    /// A valid mapping to a frame that can only be read.
    pub const fn read_only(pfn: u32) -> Lo {
        Lo(pfn << 12 | Lo::V)
    }

    /// A valid mapping to a frame that can be read and written.
    pub const fn writable(pfn: u32) -> Lo {
        Lo(pfn << 12 | Lo::V | Lo::D | Lo::W)
    }

    /// What an entry keeps of it: nothing of an invalid one, and never `g`.
    pub const fn kept(self) -> Lo {
        if self.0 & Lo::V == 0 { Lo::INVALID } else { Lo(self.0 & !Lo::G) }
    }
}
