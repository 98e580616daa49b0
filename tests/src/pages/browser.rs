//! A browser without a window, for looking at pages as their readers do.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// Longest that one look may take, in seconds.
const LIMIT: &str = "240";

/// The script that measures.
const MEASURE: &str = include_str!("measure.js");

/// Which of its two dresses a page wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What a reader of a page at one width would trip over.
#[derive(Debug, Clone, Deserialize)]
pub struct Measured {
    /// Which page.
    pub name: String,
    /// Width of the window, in CSS pixels.
    pub wanted: u32,
    /// Title of the page.
    pub title: String,
    /// Width that the page needs.
    pub closed: u32,
    /// The same when everything is opened.
    pub open: u32,
    /// Colour of its background.
    pub paper: String,
    /// Texts whose contrast was computed.
    pub texts: u32,
    /// The least contrast.
    pub least: f64,
    /// Texts below WCAG AA.
    pub faint: Vec<String>,
    /// Texts that are too small to read.
    pub small: Vec<String>,
    /// Texts that reach beyond the window.
    pub outside: Vec<String>,
    /// Places that the keyboard stops at.
    pub stops: u32,
    /// Those that it does not reach, or does not show.
    pub unreachable: Vec<String>,
    /// Links, labels and headings that are wrong.
    pub broken: Vec<String>,
}

/// A browser with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    home: tempfile::TempDir,
}

impl Browser {
    /// A browser that has never been used.
    ///
    /// # Errors
    /// If there is no room for its profile.
    pub fn new() -> anyhow::Result<Self> {
        let home = tempfile::tempdir().context("making a folder for the browser's profile")?;
        Ok(Self { home })
    }

    /// Where pages can be put.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Measures pages in frames of the given widths. Also what the browser had to complain about.
    ///
    /// # Errors
    /// If there is no browser, or it does not do its work.
    pub fn measure(
        &self,
        pages: &[(&str, &str)],
        widths: &[u32],
        scheme: Scheme,
    ) -> anyhow::Result<(Vec<Measured>, Vec<String>)> {
        let path = self.home.path().join("measure.html");
        std::fs::write(&path, wrapper(pages, widths))?;
        let output = self.run(&path, scheme, &["--dump-dom", "--virtual-time-budget=20000"])?;
        let dom = String::from_utf8_lossy(&output.stdout);
        let json = dom
            .split_once("<pre id=\"out\">")
            .and_then(|(_, rest)| rest.split_once("</pre>"))
            .map(|(json, _)| unescape(json))
            .filter(|json| !json.is_empty());
        let Some(json) = json else { bail!("the browser measured nothing:\n{dom:.2000}") };
        let measured = serde_json::from_str(&json).context("reading what the browser measured")?;
        Ok((measured, complaints(&output)))
    }

    /// Opens a page as a reader does, and returns what the browser had to complain about.
    ///
    /// # Errors
    /// As for [`measure`](Self::measure).
    pub fn open(&self, page: &Path) -> anyhow::Result<Vec<String>> {
        Ok(complaints(&self.run(page, Scheme::Light, &["--dump-dom"])?))
    }

    /// Makes a picture of a page.
    ///
    /// # Errors
    /// As for [`measure`](Self::measure).
    pub fn picture(
        &self,
        page: &Path,
        (width, height): (u32, u32),
        scheme: Scheme,
        to: &Path,
    ) -> anyhow::Result<()> {
        let size = format!("--window-size={width},{height}");
        let to = format!("--screenshot={}", to.display());
        self.run(page, scheme, &["--hide-scrollbars", &size, &to]).map(drop)
    }

    /// Prints a page into a PDF file.
    ///
    /// # Errors
    /// As for [`measure`](Self::measure).
    pub fn print(&self, page: &Path, to: &Path) -> anyhow::Result<()> {
        let to = format!("--print-to-pdf={}", to.display());
        self.run(page, Scheme::Dark, &["--no-pdf-header-footer", &to]).map(drop)
    }

    fn run(&self, page: &Path, scheme: Scheme, arguments: &[&str]) -> anyhow::Result<Output> {
        let url = format!("file://{}", page.display());
        let profile: PathBuf = self.home.path().join("profile");
        let dark = match scheme {
            Scheme::Light => "--blink-settings=preferredColorScheme=1",
            Scheme::Dark => "--blink-settings=preferredColorScheme=0",
        };
        let output = Command::new("timeout")
            .args(["--kill-after=10", LIMIT, "chromium", "--headless", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--enable-logging=stderr", "--log-level=0", dark])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(arguments)
            .arg(&url)
            .output()
            .context("starting chromium (cargo xtask setup --tests installs it)")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("chromium on {url} with {arguments:?}: {}\n{said:.2000}", output.status);
        }
        Ok(output)
    }
}

/// What pages wrote to the console: errors, and everything that was refused to them.
fn complaints(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

/// A page with every page in a frame of each width.
fn wrapper(pages: &[(&str, &str)], widths: &[u32]) -> String {
    let frames: String = pages
        .iter()
        .flat_map(|(name, html)| widths.iter().map(move |width| (name, html, width)))
        .map(|(name, html, width)| {
            format!(
                "<iframe data-name=\"{name}\" data-width=\"{width}\" width=\"{width}\" height=\"900\" \
                 style=\"border:0\" srcdoc=\"{}\"></iframe>\n",
                html.replace('&', "&amp;").replace('"', "&quot;")
            )
        })
        .collect();
    format!(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" \
         content=\"light dark\"><script>{MEASURE}</script></head><body><pre id=\"out\">\
         </pre>{frames}</body></html>"
    )
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
}
