//! Edits to a JSON text: which bytes go, and what stands there instead. Never touches the text
//! itself; [`cut`] gives the pieces of the result, sharing every byte that stays.

use crate::json::{Object, Span, quoted};
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of the original that give way to `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch {
    /// What goes; empty for an insertion.
    pub span: Span,
    /// What stands there instead.
    pub text: String,
}

/// Changes to the members of one object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectEdit {
    object: Arc<Object>,
    /// What becomes of a member, by its place; of those that are not here, nothing.
    changes: Vec<(usize, Change)>,
    added: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Set(String),
    Removed,
}

impl ObjectEdit {
    /// No change yet to `object`.
    pub fn new(object: Object) -> ObjectEdit {
        ObjectEdit { object: Arc::new(object), changes: Vec::new(), added: Vec::new() }
    }

    /// The object as it was read.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Gives `name` the JSON value `raw`: in place if it is there, else as the last member.
    pub fn set(&mut self, name: &str, raw: String) {
        if let Some(index) = self.index(name) {
            self.put(index, Change::Set(raw));
        } else if let Some(slot) = self.added.iter_mut().find(|(added, _)| added == name) {
            slot.1 = raw;
        } else {
            self.added.push((name.to_owned(), raw));
        }
    }

    /// Takes `name` out, with the comma that parted it.
    pub fn remove(&mut self, name: &str) {
        if let Some(index) = self.index(name) {
            self.put(index, Change::Removed);
        }
        self.added.retain(|(added, _)| added != name);
    }

    /// What was set for `name`: `Some(None)` when it was removed, `None` when it was left alone.
    pub fn changed(&self, name: &str) -> Option<Option<&str>> {
        if let Some((_, raw)) = self.added.iter().find(|(added, _)| added == name) {
            return Some(Some(raw));
        }
        if self.changes.is_empty() {
            return None;
        }
        match self.change(self.index(name)?)? {
            Change::Set(raw) => Some(Some(raw)),
            Change::Removed => Some(None),
        }
    }

    /// Where the values stand that were set or removed.
    pub fn changed_values(&self) -> impl Iterator<Item = &Span> {
        let members = self.changes.iter().filter_map(|(index, _)| self.object.members.get(*index));
        members.map(|member| &member.value)
    }

    /// The edits as patches, in order and apart from each other.
    pub fn patches(&self) -> Vec<Patch> {
        let mut patches = Vec::new();
        // Where the last member that stays ends, and where the run of removed ones after it began.
        let mut end_of_kept = None;
        let mut removed_from = None;
        let mut end_of_all = self.object.span.start + 1;
        for (index, member) in self.object.members.iter().enumerate() {
            end_of_all = member.value.end;
            let change = self.change(index);
            if change == Some(&Change::Removed) {
                removed_from = removed_from.or(Some(member.key.start));
                continue;
            }
            if let Some(start) = removed_from.take() {
                patches.push(Patch { span: start..member.key.start, text: String::new() });
            }
            if let Some(Change::Set(raw)) = change {
                patches.push(Patch { span: member.value.clone(), text: raw.clone() });
            }
            end_of_kept = Some(member.value.end);
        }
        let tail = match (end_of_kept, removed_from) {
            (Some(end), Some(_)) => end..end_of_all,
            (None, Some(start)) => start..end_of_all,
            (_, None) => end_of_all..end_of_all,
        };
        let text = self.added_text(end_of_kept.is_some());
        if !tail.is_empty() || !text.is_empty() {
            patches.push(Patch { span: tail, text });
        }
        patches
    }

    fn added_text(&self, mut comma: bool) -> String {
        let length = self.added.iter().map(|(name, raw)| name.len() + raw.len() + 4).sum();
        let mut text = String::with_capacity(length);
        for (name, raw) in &self.added {
            if std::mem::replace(&mut comma, true) {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(raw);
        }
        text
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.object.members.iter().position(|member| &*member.name == name)
    }

    fn change(&self, index: usize) -> Option<&Change> {
        self.changes.iter().find(|(changed, _)| *changed == index).map(|(_, change)| change)
    }

    fn put(&mut self, index: usize, change: Change) {
        match self.changes.iter_mut().find(|(changed, _)| *changed == index) {
            Some(slot) => slot.1 = change,
            None => self.changes.push((index, change)),
        }
    }
}

/// The pieces of `bytes` after `patches`, which are in any order; of two that overlap the one that
/// begins first wins.
pub(crate) fn cut(bytes: &Bytes, mut patches: Vec<Patch>) -> Vec<Bytes> {
    patches.sort_by_key(|patch| (patch.span.start, patch.span.end));
    let mut pieces = Vec::with_capacity(patches.len() * 2 + 1);
    let mut at = 0;
    for patch in patches {
        if patch.span.start < at || patch.span.end > bytes.len() {
            continue;
        }
        pieces.push(bytes.slice(at..patch.span.start));
        pieces.push(Bytes::from(patch.text));
        at = patch.span.end;
    }
    pieces.push(bytes.slice(at..));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
