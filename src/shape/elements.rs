//! The elements of a request's messages, looked through once for all that ask for them: check, conversation,
//! cache markers and tokens.
//!
//! Holds where things stand, never a word of them.

use super::body::BodyFault;
use crate::json::{self, Flaw, Object, Span};
use std::fmt::Display;
use std::sync::{Arc, OnceLock};

/// A list of more elements, or of more members in them, is looked through anew each time: what is held stays
/// small, however long its request has to wait.
const MOST: usize = 256;
const MOST_MEMBERS: usize = 4096;

/// One element of a list: an object's members, or why they cannot be read; `None`: it is no object.
#[derive(Debug)]
pub(crate) struct Element(Option<Result<Object, Flaw>>);

impl Element {
    fn members(&self) -> usize {
        self.0.iter().flatten().map(|object| object.members.len()).sum()
    }

    /// Its members; `None`: it is no object. Errors: they cannot be read; `path` names it.
    pub fn object(&self, path: impl Display) -> Result<Option<&Object>, BodyFault> {
        match &self.0 {
            None => Ok(None),
            Some(Ok(object)) => Ok(Some(object)),
            Some(Err(flaw)) => Err(BodyFault::flaw(&path.to_string(), flaw.clone())),
        }
    }
}

/// The elements of the first list that was asked for, which is the longest one that several ask for. Clones
/// share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elements(Arc<OnceLock<Kept>>);

#[derive(Debug)]
struct Kept {
    list: Span,
    /// `None`: there are too many.
    elements: Option<Vec<Element>>,
}

impl Elements {
    /// Visits the elements of the list at `list` in `text`, which is always the same, in order, until `visit`
    /// says stop by an error. What is not a list has none.
    pub fn each<E>(
        &self,
        text: &str,
        list: &Span,
        mut visit: impl FnMut(usize, &Element) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.0.get_or_init(|| Kept { list: list.clone(), elements: few(text, list) }) {
            Kept { list: kept, elements: Some(elements) } if kept == list => {
                elements.iter().enumerate().try_for_each(|(index, element)| visit(index, element))
            }
            _ => json::each_object(text, list, |index, object| visit(index, &Element(object))),
        }
    }
}

/// All the elements, if they are not too many.
fn few(text: &str, list: &Span) -> Option<Vec<Element>> {
    let (mut elements, mut members) = (Vec::new(), 0);
    let all = json::each_object(text, list, |index, object| {
        if index >= MOST {
            return Err(());
        }
        let element = Element(object);
        members += element.members();
        elements.push(element);
        if members <= MOST_MEMBERS { Ok(()) } else { Err(()) }
    });
    all.ok().map(|()| elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(elements: &Elements, text: &str, list: &Span) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let all = elements.each(text, list, |index, element| {
            let object = element.object("an element").expect("well-formed").expect("an object");
            found.push((index, json::slice(text, &object.span).to_owned()));
            Ok::<(), ()>(())
        });
        assert_eq!(all, Ok(()));
        found
    }

    #[test]
    fn every_list_has_its_own_elements_however_many() {
        for count in [0, 1, MOST - 1, MOST, MOST + 1, 3 * MOST] {
            let list: Vec<String> = (0..count).map(|number| format!("{{\"a\":{number}}}")).collect();
            let text = format!("[{}]", list.join(","));
            let elements = Elements::default();
            let expected: Vec<(usize, String)> = list.into_iter().enumerate().collect();
            for _ in 0..2 {
                assert_eq!(texts(&elements, &text, &(0..text.len())), expected);
            }
        }
        let (text, elements) = (r#"[{"a":[{},{"b":1}]},{}]"#, Elements::default());
        assert_eq!(texts(&elements, text, &(0..text.len())).len(), 2);
        assert_eq!(texts(&elements, text, &(6..18)), [(0, "{}".to_owned()), (1, r#"{"b":1}"#.to_owned())]);
        assert_eq!(texts(&elements, text, &(0..text.len())).len(), 2);
        assert_eq!(texts(&elements, text, &(1..2)), []);
    }

    #[test]
    fn many_members_are_not_kept() {
        let members = |count: usize| (0..count).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>();
        for (count, kept) in [(MOST_MEMBERS / 2, true), (MOST_MEMBERS / 2 + 1, false)] {
            let object = format!("{{{}}}", members(count).join(","));
            let text = format!("[{object},{object}]");
            assert_eq!(few(&text, &(0..text.len())).is_some(), kept);
            let twice = [(0, object.clone()), (1, object)];
            assert_eq!(texts(&Elements::default(), &text, &(0..text.len())), twice);
        }
    }

    #[test]
    fn an_element_is_an_object_or_none_or_says_what_is_wrong() {
        let text = r#"[{"a":1} , 7,{"a":1,"a":[{}]},[]]"#;
        let mut found = Vec::new();
        let all = Elements::default().each(text, &(0..text.len()), |index, element| {
            let object = element.object(format_args!("list[{index}]"));
            found.push(object.map(|object| object.map(|object| object.members.len())));
            Ok::<(), ()>(())
        });
        assert_eq!(all, Ok(()));
        let fault = found.remove(2).expect_err("twice").field;
        assert_eq!((found, fault.as_deref()), (vec![Ok(Some(1)), Ok(None), Ok(None)], Some("list[2].a")));
    }
}
