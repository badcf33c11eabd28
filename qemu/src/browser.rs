//! The browser with which the page of `./x tlb --html` is tested.

use std::ffi::OsStr;
use std::path::PathBuf;

/// What Chromium is called: by Debian, by others, and by Google.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Where one is, if there is any.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    NAMES.iter().find_map(|name| find_in(&path, name))
}

fn find_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// What to say where there is none.
pub fn missing() -> String {
    format!("no browser is installed: none of {} (Debian: chromium)", NAMES.join(", "))
}
