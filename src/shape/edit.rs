//! Edits to a JSON text: which bytes go, and what stands there instead. Never touches the text
//! itself; [`cut`] gives the pieces of the result, sharing every byte that stays.

use super::json::{Object, Span, quoted};
use bytes::Bytes;

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
    object: Object,
    states: Vec<State>,
    added: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Kept,
    Set(String),
    Removed,
}

impl ObjectEdit {
    /// No change yet to `object`.
    pub fn new(object: Object) -> ObjectEdit {
        let states = vec![State::Kept; object.members.len()];
        ObjectEdit { object, states, added: Vec::new() }
    }

    /// The object as it was read.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Gives `name` the JSON value `raw`: in place if it is there, else as the last member.
    pub fn set(&mut self, name: &str, raw: String) {
        if let Some(index) = self.index(name) {
            self.put(index, State::Set(raw));
        } else if let Some(slot) = self.added.iter_mut().find(|(added, _)| added == name) {
            slot.1 = raw;
        } else {
            self.added.push((name.to_owned(), raw));
        }
    }

    /// Takes `name` out, with the comma that parted it.
    pub fn remove(&mut self, name: &str) {
        if let Some(index) = self.index(name) {
            self.put(index, State::Removed);
        }
        self.added.retain(|(added, _)| added != name);
    }

    /// What was set for `name`: `Some(None)` when it was removed, `None` when it was left alone.
    pub fn changed(&self, name: &str) -> Option<Option<&str>> {
        if let Some((_, raw)) = self.added.iter().find(|(added, _)| added == name) {
            return Some(Some(raw));
        }
        match self.index(name).and_then(|index| self.states.get(index))? {
            State::Kept => None,
            State::Set(raw) => Some(Some(raw)),
            State::Removed => Some(None),
        }
    }

    /// Where the values stand that were set or removed.
    pub fn changed_values(&self) -> impl Iterator<Item = &Span> {
        let pairs = self.object.members.iter().zip(&self.states);
        pairs.filter(|(_, state)| **state != State::Kept).map(|(member, _)| &member.value)
    }

    /// The edits as patches, in order and apart from each other.
    pub fn patches(&self) -> Vec<Patch> {
        let mut patches = Vec::new();
        // Where the last member that stays ends, and where the run of removed ones after it began.
        let mut end_of_kept = None;
        let mut removed_from = None;
        let mut end_of_all = self.object.span.start + 1;
        for (member, state) in self.object.members.iter().zip(&self.states) {
            end_of_all = member.value.end;
            if *state == State::Removed {
                removed_from = removed_from.or(Some(member.key.start));
                continue;
            }
            if let Some(start) = removed_from.take() {
                patches.push(Patch { span: start..member.key.start, text: String::new() });
            }
            if let State::Set(raw) = state {
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
        let mut text = String::new();
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

    fn put(&mut self, index: usize, state: State) {
        if let Some(slot) = self.states.get_mut(index) {
            *slot = state;
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
