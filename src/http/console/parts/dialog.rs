//! Dialogs: each has an address of its own, and is drawn over the page that it belongs to. Without script it stands
//! there as a part of the page; with it, it is modal, and Esc leads back.

use maud::{Markup, html};

use super::icon::Icon;

/// A dialog. `close` is the page that it stands over.
pub(crate) fn dialog(title: &str, close: &str, inside: &Markup) -> Markup {
    html! {
        dialog.dialog open aria-labelledby="dialog-title" data-close=(close) {
            div.dialog-head {
                h2 #dialog-title dir="auto" { (title) }
                a.icon-button href=(close) aria-label="Close" { "×" }
            }
            (inside)
        }
    }
}

/// The buttons of a form in a dialog: what it does, and the way back.
pub(crate) fn buttons(does: &str, close: &str) -> Markup {
    html! {
        button.primary { (does) }
        a.button href=(close) { "Cancel" }
    }
}

/// As [`buttons`], for what cannot be taken back.
pub(crate) fn dangerous_buttons(does: &str, close: &str) -> Markup {
    html! {
        button.danger { (Icon::Trash) (does) }
        a.button href=(close) { "Cancel" }
    }
}
