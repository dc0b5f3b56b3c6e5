//! The icons, drawn for grantd on a grid of 16 in strokes of 1.5. They say nothing that a word beside them does not.

use maud::{Markup, PreEscaped, Render, html};

/// An icon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Account,
    Add,
    Api,
    Audit,
    Check,
    Copy,
    Decision,
    Down,
    Grant,
    Info,
    Key,
    Leave,
    Machine,
    Menu,
    Moon,
    Next,
    Overview,
    Policy,
    Previous,
    Search,
    Sun,
    System,
    Token,
    Trash,
    Warning,
}

impl Icon {
    /// The inside of its `svg`.
    fn strokes(self) -> &'static str {
        match self {
            // A machine's face.
            Self::Account => {
                r#"<rect x="3" y="5" width="10" height="8" rx="2"/><path d="M8 5V2.5M6 8.5v1M10 8.5v1M1.2 8v2.5M14.8 8v2.5"/>"#
            }
            Self::Add => r#"<path d="M8 3v10M3 8h10"/>"#,
            // What stands between braces.
            Self::Api => {
                r#"<path d="M5.5 2.5C4 2.5 4 4 4 5.2 4 6.8 3.4 8 2 8c1.4 0 2 1.2 2 2.8 0 1.2 0 2.7 1.5 2.7M10.5 2.5c1.5 0 1.5 1.5 1.5 2.7C12 6.8 12.6 8 14 8c-1.4 0-2 1.2-2 2.8 0 1.2 0 2.7-1.5 2.7"/>"#
            }
            Self::Audit => r#"<path d="M2.5 4h1M2.5 8h1M2.5 12h1M6 4h7.5M6 8h7.5M6 12h4.5"/>"#,
            Self::Check => r#"<path d="M3 8.5 6.5 12 13 4.5"/>"#,
            Self::Copy => {
                r#"<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5"/>"#
            }
            // A staircase that goes down.
            Self::Decision => r#"<path d="M2 3.5h4v3h4v3h4v3"/>"#,
            Self::Down => r#"<path d="m4 6 4 4 4-4"/>"#,
            Self::Grant => {
                r#"<path d="M8 2 13 4v4c0 3-2.2 5.2-5 6-2.8-.8-5-3-5-6V4z"/><path d="m5.8 8 1.6 1.6 3-3.2"/>"#
            }
            Self::Info => r#"<circle cx="8" cy="8" r="6"/><path d="M8 7.5V11M8 5v.2"/>"#,
            Self::Key => r#"<circle cx="5" cy="11" r="2.8"/><path d="m7 9 6.5-6.5M11 5l2 2M9 7l1.5 1.5"/>"#,
            Self::Leave => r#"<path d="M6 2.5H3.5v11H6M7 8h6.5M11 5.5 13.5 8 11 10.5"/>"#,
            // Two things, and what goes from one to the other.
            Self::Machine => {
                r#"<rect x="1.5" y="5.5" width="4.5" height="5" rx="1"/><rect x="10" y="5.5" width="4.5" height="5" rx="1"/><path d="M6 8h4M8.5 6.5 10 8 8.5 9.5"/>"#
            }
            Self::Menu => r#"<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11"/>"#,
            Self::Moon => r#"<path d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z"/>"#,
            Self::Next => r#"<path d="m6 3 5 5-5 5"/>"#,
            Self::Overview => r#"<path d="M2 13.5V9M6 13.5V5M10 13.5V7.5M14 13.5v-11"/>"#,
            // What lets less through than comes in.
            Self::Policy => r#"<path d="M2 2.5h12L9.5 8.5v5l-3-1.5V8.5z"/>"#,
            Self::Previous => r#"<path d="m10 3-5 5 5 5"/>"#,
            Self::Search => r#"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>"#,
            Self::Sun => {
                r#"<circle cx="8" cy="8" r="2.8"/><path d="M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7"/>"#
            }
            Self::System => r#"<rect x="2" y="3" width="12" height="8" rx="1.5"/><path d="M5.5 13.5h5"/>"#,
            Self::Token => {
                r#"<rect x="1.5" y="4" width="13" height="8" rx="1.5"/><path d="M4.5 8h.2M7.4 8h.2M10.3 8h1.2"/>"#
            }
            Self::Trash => r#"<path d="M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.8 7v4M9.2 7v4"/>"#,
            Self::Warning => r#"<path d="M8 2 14.5 13.5h-13zM8 6.5v3.3M8 11.6v.2"/>"#,
        }
    }
}

impl Render for Icon {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">"#);
        buffer.push_str(self.strokes());
        buffer.push_str("</svg>");
    }
}

/// The mark of grantd: what was asked for, what was granted, what was issued.
pub(crate) fn mark() -> Markup {
    html! {
        (PreEscaped(r#"<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><rect x="2" y="4" width="20" height="4" rx="2"/><rect x="2" y="10" width="14" height="4" rx="2"/><rect x="2" y="16" width="8" height="4" rx="2"/></svg>"#))
    }
}
