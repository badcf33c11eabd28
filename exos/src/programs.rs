//! The programs in the archive that the kernel was booted with.

use crate::rt::exposed;
use tar_no_std::TarArchiveRef;

pub use tar_no_std::ArchiveEntry as Program;

/// All programs in the archive, in its order; none where the archive is empty or no tar archive.
pub fn programs() -> impl Iterator<Item = Program<'static>> {
    TarArchiveRef::new(exposed::archive()).ok().into_iter().flat_map(|archive| archive.entries())
}
