//! Files that a user names.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// No file may be longer: no image with more fits into a machine's memory.
const LONGEST: u64 = 256 << 20;

/// Reads a regular file. What is none, and might never end or never begin, is refused at once, and
/// so is one that is too long.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    // A pipe would be waited for.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("longer than {} MB", LONGEST >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_sensible_length_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "words").unwrap();
        assert_eq!(read(&at("file")).unwrap(), b"words");
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RWXU).unwrap();
        for path in [at("fifo"), directory.path().to_path_buf(), "/dev/zero".into(), "/dev/null".into()] {
            assert!(read(&path).unwrap_err().to_string().contains("not a regular file"), "{}", path.display());
        }
        let long = std::fs::File::create(at("long")).unwrap();
        long.set_len(LONGEST + 1).unwrap();
        assert!(read(&at("long")).unwrap_err().to_string().contains("longer than 256 MB"));
    }
}
