//! Known block pages and redirects to them, in the first bytes of an HTTP/1 response.
//!
//! The lists are data with a source and a date, like the fingerprints of devices, and for the same
//! reason: a provider moves its page, and a page that has gone must not accuse anybody.
//!
//! A page says *that* something is blocked and by whose order, to the person who reads it; a match
//! here says that a response looks like such a page. Two innocent responses do as well: that of the
//! page's own site to somebody who asked for it, as each browser does after the redirect, and that
//! of a site which writes about the page. The first never matches, see [`BlockPages::find`]; the
//! second is why some entries are marked [`weak`](Page::weak).

use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use aho_corasick::AhoCorasick;
use jiff::civil::Date;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;

use super::{
    host::normalise,
    http::{self, Response},
};
use crate::data::{DataError, Fault, Form, check_country, check_date, check_id, check_text};

/// Bytes of a body that are searched. Block pages are small and say so at the top.
pub const BODY_MAX: usize = 8192;

const FORM: Form = Form { what: "block page", docs: "docs/blockpages.md" };

const BUILTIN: [(&str, &str); 4] = [
    ("blockpages/russia.toml", include_str!("../../../../blockpages/russia.toml")),
    ("blockpages/asia.toml", include_str!("../../../../blockpages/asia.toml")),
    ("blockpages/middle-east.toml", include_str!("../../../../blockpages/middle-east.toml")),
    ("blockpages/elsewhere.toml", include_str!("../../../../blockpages/elsewhere.toml")),
];

/// How far a page reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// A country: the same page at all its providers.
    National,
    /// One access provider.
    Provider,
    /// The company that hosts the service, before the service.
    Host,
    /// A product for schools, companies and families, wherever it is installed.
    Product,
}

/// A known page. Serialized without what it is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Short name for reports.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// How far it reaches.
    pub scope: Scope,
    /// Where it stands, by ISO 3166-1 code; None for what stands anywhere.
    pub country: Option<String>,
    /// Who described it, where.
    pub source: String,
    /// The day on which the source said so.
    #[serde(serialize_with = "day")]
    pub date: Date,
    /// Why a match alone says little.
    pub weak: Option<String>,
    #[serde(skip)]
    status: Vec<u16>,
    #[serde(skip)]
    location_hosts: Vec<String>,
    #[serde(skip)]
    location_prefixes: Vec<String>,
    #[serde(skip)]
    server: Option<String>,
    /// Places of its marks among all marks.
    #[serde(skip)]
    body: Range<usize>,
}

fn day<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    page: Vec<RawPage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPage {
    id: Spanned<String>,
    title: Spanned<String>,
    scope: Scope,
    country: Option<Spanned<String>>,
    source: Spanned<String>,
    date: Spanned<String>,
    weak: Option<Spanned<String>>,
    #[serde(default)]
    own: Vec<Spanned<String>>,
    #[serde(default)]
    status: Vec<u16>,
    #[serde(default)]
    location_hosts: Vec<Spanned<String>>,
    #[serde(default)]
    location_prefixes: Vec<Spanned<String>>,
    server: Option<Spanned<String>>,
    #[serde(default)]
    body: Vec<Spanned<String>>,
}

/// The known pages of a run.
#[derive(Debug, Clone, Default)]
pub struct BlockPages {
    pages: Vec<Page>,
    /// Hosts that serve the pages, whose own responses are genuine.
    own: HashSet<String>,
    /// What stands in bodies of the pages, in lower case.
    marks: Vec<Vec<u8>>,
    /// Finds all marks in one pass, in the order of `marks`.
    finder: Option<AhoCorasick>,
}

impl BlockPages {
    /// The built-in pages.
    ///
    /// # Panics
    /// Never: the embedded files are part of the program, and a test loads them.
    #[must_use]
    pub fn builtin() -> Self {
        let mut pages = Self::default();
        for (name, text) in BUILTIN {
            pages.add(Path::new(name), text).expect("the embedded file is valid");
        }
        pages.finder = finder(&pages.marks);
        pages
    }

    /// What is built in, read once for all who look things up in it.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<BlockPages> = LazyLock::new(BlockPages::builtin);
        &SHARED
    }

    /// The built-in pages and those of `files`.
    ///
    /// # Errors
    /// When a file cannot be read or is not as `docs/blockpages.md` says, or gives an id again. The
    /// message is one line, with the place.
    pub fn load(files: &[PathBuf]) -> Result<Self, DataError> {
        let mut pages = Self::builtin();
        for path in files {
            pages.add(path, &FORM.read(path)?)?;
        }
        pages.finder = finder(&pages.marks);
        Ok(pages)
    }

    /// Adds the pages of one file; `path` is for messages only.
    fn add(&mut self, path: &Path, text: &str) -> Result<(), DataError> {
        FORM.parse(path, text, |file: File| {
            file.page.into_iter().try_for_each(|raw| self.check(raw))
        })
    }

    fn check(&mut self, raw: RawPage) -> Result<(), Fault> {
        let id = check_id(&raw.id)?;
        if self.pages.iter().any(|page| page.id == id) {
            let reason = format!("there is a page {id:?} already; an id is given once");
            return Err((raw.id.span(), reason));
        }
        let first = self.marks.len();
        for mark in &raw.body {
            self.marks.push(check_body(mark)?);
        }
        let page = Page {
            title: check_text("title", raw.title)?,
            scope: raw.scope,
            country: raw.country.map(check_country).transpose()?,
            source: check_text("source", raw.source)?,
            date: check_date(&raw.date)?,
            weak: raw.weak.map(|text| check_text("weak", text)).transpose()?,
            status: raw.status,
            location_hosts: raw.location_hosts.iter().map(check_host).collect::<Result<_, _>>()?,
            location_prefixes: raw
                .location_prefixes
                .iter()
                .map(check_prefix)
                .collect::<Result<_, _>>()?,
            server: raw.server.map(|text| check_text("server", text)).transpose()?,
            body: first..self.marks.len(),
            id,
        };
        let redirects = !(page.location_hosts.is_empty() && page.location_prefixes.is_empty());
        if !redirects && page.server.is_none() && page.body.is_empty() {
            let reason = "nothing but a status is asked for; allowed is also one or more of \
                          location_hosts, location_prefixes, server, body";
            return Err((raw.id.span(), reason.into()));
        }
        for host in &raw.own {
            self.own.insert(check_host(host)?);
        }
        self.own.extend(page.location_hosts.iter().cloned());
        for host in page.location_prefixes.iter().filter_map(|url| host_of(url)) {
            // The bare name of a site leads to the one with `www`, as a rule.
            self.own.extend(host.strip_prefix("www.").map(str::to_owned));
            self.own.insert(host);
        }
        self.pages.push(page);
        Ok(())
    }

    /// All pages, in the order of the files.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The page that a response is: `response` has its first bytes, in order, as many as there are.
    ///
    /// `asked_host` is the host that the client asked for. If that is the site of a known page, the
    /// response is genuine and nothing matches. Pages without [`weak`](Page::weak) go first.
    #[must_use]
    pub fn find(&self, response: &[u8], asked_host: Option<&str>) -> Option<&Page> {
        let head = http::response(response)?;
        if asked_host.is_some_and(|host| self.is_own(&normalise(host.as_bytes()))) {
            return None;
        }
        let body = head.body.and_then(|at| response.get(at..)).unwrap_or_default();
        // What is shown as it is written, a list or a log, may quote anything.
        let most = if head.html { BODY_MAX } else { 0 };
        let found = self.found(&body[..body.len().min(most)]);
        let location = head.location.as_deref().unwrap_or_default().to_ascii_lowercase();
        let host = host_of(&location);
        let redirect = Redirect { location: &location, host: host.as_deref() };
        let matching = || self.pages.iter().filter(|page| page.is(&head, redirect, &found));
        matching().find(|page| page.weak.is_none()).or_else(|| matching().next())
    }

    /// Which marks stand in `body`.
    fn found(&self, body: &[u8]) -> Vec<bool> {
        let mut found = vec![false; self.marks.len()];
        if let Some(finder) = &self.finder {
            // Overlapping: a mark may be a part of another one.
            for hit in finder.find_overlapping_iter(body) {
                found[hit.pattern().as_usize()] = true;
            }
        }
        found
    }

    /// The host is the site of a page, or under it.
    fn is_own(&self, host: &str) -> bool {
        let mut rest = host;
        loop {
            if self.own.contains(rest) {
                return true;
            }
            let Some((_, parent)) = rest.split_once('.') else { return false };
            rest = parent;
        }
    }
}

/// Where a response leads.
#[derive(Clone, Copy)]
struct Redirect<'a> {
    /// In lower case.
    location: &'a str,
    /// Its host, normalised.
    host: Option<&'a str>,
}

impl Page {
    /// One line in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut line = format!("{} ({}, {})", self.title, self.source, self.date);
        if let Some(reason) = &self.weak {
            line += "; weak: ";
            line += reason;
        }
        line
    }

    /// All that is asked for holds; `found` says of each mark whether it stands in the body.
    fn is(&self, head: &Response, redirect: Redirect<'_>, found: &[bool]) -> bool {
        let holds = |asked: bool, holds: &dyn Fn() -> bool| !asked || holds();
        let redirects = !(self.location_hosts.is_empty() && self.location_prefixes.is_empty());
        holds(!self.status.is_empty(), &|| self.status.contains(&head.status))
            && holds(redirects, &|| self.redirects(redirect))
            && holds(self.server.is_some(), &|| self.serves(head))
            && holds(!self.body.is_empty(), &|| found[self.body.clone()].contains(&true))
    }

    fn serves(&self, head: &Response) -> bool {
        match (&head.server, &self.server) {
            (Some(server), Some(prefix)) => server.starts_with(&**prefix),
            _ => false,
        }
    }

    fn redirects(&self, Redirect { location, host }: Redirect<'_>) -> bool {
        let under = |site: &String| {
            host.is_some_and(|host| {
                host.strip_suffix(&**site)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        };
        self.location_hosts.iter().any(under)
            || self.location_prefixes.iter().any(|prefix| location.starts_with(&**prefix))
    }
}

/// What finds `marks`, whatever the case of letters; none if there are none.
///
/// # Panics
/// Never: it could only have too many states, of marks that are longer than the memory of an agent.
fn finder(marks: &[Vec<u8>]) -> Option<AhoCorasick> {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true);
    (!marks.is_empty()).then(|| builder.build(marks).expect("some hundreds of marks"))
}

/// The host of an absolute URL, normalised; also of `//host/` and of a bare `host/`, which some
/// devices write.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    host.contains('.').then(|| normalise(host.as_bytes()))
}

fn check_host(host: &Spanned<String>) -> Result<String, Fault> {
    let name = normalise(host.as_ref().as_bytes());
    let label_valid = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.contains('.') && name.split('.').all(label_valid) {
        return Ok(name);
    }
    let reason = format!(
        "host {:?}: allowed is a host name or IPv4 address as in block.rt.ru (all names under it \
         are included)",
        host.as_ref()
    );
    Err((host.span(), reason))
}

fn check_prefix(url: &Spanned<String>) -> Result<String, Fault> {
    let text = url.as_ref().to_ascii_lowercase();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    // Without a slash behind the host, another host could begin the same.
    if rest.is_some_and(|rest| rest.contains('/')) && host_of(&text).is_some() {
        return Ok(text);
    }
    let reason = format!(
        "location prefix {:?}: allowed is a URL with a path as in https://internet.mts.by/blocked/ \
         (for a whole host take location_hosts)",
        url.as_ref()
    );
    Err((url.span(), reason))
}

/// Shortest mark in a body, in bytes: a shorter one stands in too many innocent pages.
const MARK_MIN: usize = 10;

fn check_body(mark: &Spanned<String>) -> Result<Vec<u8>, Fault> {
    if mark.as_ref().len() >= MARK_MIN {
        return Ok(mark.as_ref().as_bytes().to_ascii_lowercase());
    }
    let reason = format!("body mark {:?}: allowed are {MARK_MIN} bytes or more", mark.as_ref());
    Err((mark.span(), reason))
}

#[cfg(test)]
mod tests;
