//! Opens a page in a headless browser, uses it as a reader would, and hears what it says to the console.
//!
//! The browser is driven through the DevTools protocol. It ends with its [`Visit`], and nothing waits longer than [`LIMIT`].
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use headless_chrome::browser::tab::{EventListener, Tab};
use headless_chrome::protocol::cdp::Emulation::SetDeviceMetricsOverride;
use headless_chrome::protocol::cdp::Log::LogEntryLevel;
use headless_chrome::protocol::cdp::Runtime::ConsoleAPICalledEventTypeOption;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::{Browser, LaunchOptions};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time that the browser may take for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// A page in a browser of its own.
pub struct Visit {
    tab: Arc<Tab>,
    complaints: Arc<Complaints>,
    // It ends when this goes.
    _browser: Browser,
}

/// What went wrong, as the page's console has it.
#[derive(Default)]
struct Complaints(Mutex<Vec<String>>);

impl Complaints {
    fn add(&self, complaint: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }
}

impl EventListener<Event> for Complaints {
    fn on_event(&self, event: &Event) {
        match event {
            Event::RuntimeExceptionThrown(event) => {
                let details = &event.params.exception_details;
                let what = details.exception.as_ref().and_then(|object| object.description.clone());
                self.add(what.unwrap_or_else(|| details.text.clone()));
            }
            Event::LogEntryAdded(event)
                if matches!(event.params.entry.level, LogEntryLevel::Error | LogEntryLevel::Warning) =>
            {
                self.add(event.params.entry.text.clone());
            }
            Event::RuntimeConsoleAPICalled(event)
                if matches!(
                    event.params.Type,
                    ConsoleAPICalledEventTypeOption::Error
                        | ConsoleAPICalledEventTypeOption::Warning
                        | ConsoleAPICalledEventTypeOption::Assert
                ) =>
            {
                let words = event.params.args.iter().filter_map(|argument| argument.value.as_ref());
                self.add(words.map(Value::to_string).collect::<Vec<_>>().join(" "));
            }
            _ => {}
        }
    }
}

/// Can Chromium make its sandbox here? Not for root, who runs the tests in a container; for others with its setuid
/// helper, or where they may make user namespaces, as many containers do not let them. Without one it would not
/// start. The page is our own.
fn has_sandbox() -> bool {
    let has_helper = || {
        let helper = std::fs::metadata("/usr/lib/chromium/chrome-sandbox");
        helper.is_ok_and(|helper| helper.permissions().mode() & 0o4000 != 0)
    };
    let makes_namespaces = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        unshare.status().is_ok_and(|status| status.success())
    };
    !rustix::process::geteuid().is_root() && (has_helper() || makes_namespaces())
}

impl Visit {
    /// Starts the browser `program` and opens a page of the file system in it.
    pub fn to(program: &Path, file: &Path) -> Result<Visit> {
        let options = LaunchOptions {
            path: Some(program.to_path_buf()),
            sandbox: has_sandbox(),
            window_size: Some((1280, 900)),
            idle_browser_timeout: LIMIT,
            // Nobody is asked whether there is a newer browser, and nothing else is loaded.
            args: ["--disable-component-update", "--no-default-browser-check"].map(OsStr::new).to_vec(),
            ..LaunchOptions::default()
        };
        let browser = Browser::new(options).with_context(|| format!("cannot start {}", program.display()))?;
        let tab = browser.new_tab()?;
        tab.set_default_timeout(LIMIT);
        let complaints = Arc::new(Complaints::default());
        let listener: Arc<dyn EventListener<Event> + Send + Sync> = complaints.clone();
        tab.add_event_listener(listener)?;
        tab.enable_log()?.enable_runtime()?;
        let file = file.canonicalize().with_context(|| format!("there is no {}", file.display()))?;
        tab.navigate_to(&format!("file://{}", file.display()))?.wait_until_navigated()?;
        Ok(Visit { tab, complaints, _browser: browser })
    }

    /// What JavaScript says, which may be a promise; as JSON, so that it may be anything. `null` if it says nothing.
    pub fn evaluate(&self, expression: &str) -> Result<Value> {
        let object =
            self.tab.evaluate(&format!("(async () => JSON.stringify((await ({expression})) ?? null))()"), true)?;
        match object.value {
            Some(Value::String(json)) => Ok(serde_json::from_str(&json)?),
            _ => bail!("`{expression}` has no value: {}", object.description.unwrap_or_default()),
        }
    }

    /// Waits until JavaScript says `true`.
    pub fn wait_for(&self, expression: &str) -> Result<()> {
        let start = Instant::now();
        while self.evaluate(expression)? != Value::Bool(true) {
            if start.elapsed() > LIMIT {
                bail!("`{expression}` did not come true; the console: {:?}", self.complaints());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The text of the element that a selector finds.
    pub fn text(&self, selector: &str) -> Result<String> {
        let text = self.evaluate(&format!("document.querySelector({selector:?})?.textContent ?? null"))?;
        text.as_str().map(str::to_owned).with_context(|| format!("there is no {selector}"))
    }

    /// Clicks on an element, with the mouse.
    pub fn click(&self, selector: &str) -> Result<()> {
        self.tab.find_element(selector).with_context(|| format!("there is no {selector}"))?.click()?;
        Ok(())
    }

    /// Presses a key, by its name: `ArrowRight`.
    pub fn press(&self, key: &str) -> Result<()> {
        self.tab.press_key(key).map(drop)
    }

    /// Gives the page another width, in CSS pixels.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.tab.call_method(SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 1.0,
            mobile: width < 600,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        })?;
        Ok(())
    }

    /// Errors and warnings on the console so far.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
