//! A report as one page that can be read, printed, cited and sent: no script, no reference to anything
//! outside of it.
//!
//! ```text
//!  Report ─► view (sentences, figures, geometry) ─► templates/page ─► HTML
//! ```
//!
//! [`render`] is a function of its argument: the same report gives the same page. What too few networks
//! of clients stand behind is withheld here, whoever made the report. See `docs/report-page.md`.

mod axis;
mod cells;
mod device;
mod ladder;
mod limits;
mod numbers;
mod report;
mod series;
mod service;
mod view;
mod words;

pub use cells::Cells;
pub use report::{Count, Device, K_DEFAULT, Limits, Report, Service, Share, Vantage};

/// The page could not be put together.
#[derive(Debug, thiserror::Error)]
#[error("putting the report's page together: {0}; there is not enough memory, or this is a defect")]
pub struct RenderError(#[from] askama::Error);

/// The page of a report: HTML in UTF-8.
///
/// # Errors
/// When the template engine fails, which it does for want of memory alone.
pub fn render(report: &Report) -> Result<String, RenderError> {
    Ok(askama::Template::render(&view::Page::of(report))?)
}
