//! What of a request the model reads: walked part by part, in every dialect, for a meter.
//!
//! Images and files are fixed figures, never text, however long their data. Never changes a body.

use super::body::{BodyFault, Document};
use super::dialect::Dialect;
use super::tokens::{FILE_TOKENS, IMAGE_TOKENS, Meter};
use super::turns::{each_object, type_of};
use crate::json::{self, Kind, Object, Span};
use std::fmt::Arguments;

/// What a chat template adds to each message: its frame and its role.
const PER_MESSAGE: u64 = 4;

/// What it adds once, to have the model begin its answer; and once more if there are tools.
const ONCE: u64 = 3;
const FOR_TOOLS: u64 = 16;

/// How deep lists of parts may lie inside parts.
const DEPTH: usize = 3;

/// Shows `meter` everything the model will read.
pub(crate) fn walk(doc: &Document, dialect: Dialect, meter: &mut dyn Meter) -> Result<(), BodyFault> {
    let mut walk = Walk { doc, meter };
    walk.meter.add(ONCE);
    match dialect {
        Dialect::Chat => {
            walk.messages()?;
            walk.values(&["tools", "functions", "response_format"]);
        }
        Dialect::Messages => {
            if let Some(span) = doc.span("system") {
                walk.meter.add(PER_MESSAGE);
                walk.content(&span, format_args!("system"), DEPTH)?;
            }
            walk.messages()?;
            walk.values(&["tools", "output_format", "output_config"]);
        }
        Dialect::Responses => {
            if let Some(span) = doc.span("instructions") {
                walk.meter.add(PER_MESSAGE);
                walk.content(&span, format_args!("instructions"), DEPTH)?;
            }
            walk.items()?;
            walk.values(&["tools", "text"]);
        }
        Dialect::Completions | Dialect::Embeddings => {
            for field in [dialect.prompt_field(), "suffix"] {
                if let Some(span) = doc.span(field) {
                    walk.plain(&span, 2);
                }
            }
        }
    }
    Ok(())
}

struct Walk<'w> {
    doc: &'w Document,
    meter: &'w mut dyn Meter,
}

impl Walk<'_> {
    /// Chat and Anthropic messages.
    fn messages(&mut self) -> Result<(), BodyFault> {
        let Some(span) = self.doc.span("messages") else { return Ok(()) };
        each_object(self.doc, &span, "messages", |index, message| {
            self.meter.add(PER_MESSAGE);
            self.message(message, format_args!("messages[{index}].content"))
        })
    }

    fn message(&mut self, message: &Object, path: Arguments<'_>) -> Result<(), BodyFault> {
        for member in &message.members {
            match &*member.name {
                "content" => self.content(&member.value, path, DEPTH)?,
                "name" | "tool_call_id" | "refusal" | "reasoning" | "reasoning_content" => {
                    self.text(&member.value);
                }
                "tool_calls" | "function_call" => self.value(&member.value),
                _ => {}
            }
        }
        Ok(())
    }

    /// What `/responses` calls input: a text, or items of many kinds.
    fn items(&mut self) -> Result<(), BodyFault> {
        let Some(span) = self.doc.span("input") else { return Ok(()) };
        if self.kind(&span) != Kind::List {
            self.meter.add(PER_MESSAGE);
            self.text(&span);
            return Ok(());
        }
        each_object(self.doc, &span, "input", |index, item| {
            self.meter.add(PER_MESSAGE);
            self.part(item, format_args!("input[{index}]"), DEPTH)
        })
    }

    /// A text or a list of parts.
    fn content(&mut self, span: &Span, path: Arguments<'_>, depth: usize) -> Result<(), BodyFault> {
        match self.kind(span) {
            Kind::List if depth > 0 => each_object(self.doc, span, path, |index, part| {
                self.part(part, format_args!("{path}[{index}]"), depth)
            }),
            _ => {
                self.text(span);
                Ok(())
            }
        }
    }

    /// One part of a content, or one item of an input.
    fn part(&mut self, part: &Object, path: Arguments<'_>, depth: usize) -> Result<(), BodyFault> {
        match &*type_of(self.doc, part).unwrap_or_default() {
            "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text" => {
                self.member_text(part, "text");
            }
            "refusal" => self.member_text(part, "refusal"),
            "thinking" => self.member_text(part, "thinking"),
            "image_url" | "input_image" | "image" => self.meter.add(IMAGE_TOKENS),
            "input_audio" | "audio" | "video_url" | "input_video" | "video" | "file" | "input_file" => {
                self.meter.add(FILE_TOKENS);
            }
            "document" => self.document(part, path)?,
            // Encrypted reasoning and signatures are not read as text.
            "reasoning" => self.lists(part, &["summary", "content"], path, depth)?,
            "tool_result" => self.lists(part, &["content"], path, depth)?,
            "function_call_output" | "custom_tool_call_output" => {
                self.lists(part, &["output"], path, depth)?
            }
            _ if part.get("content").is_some() => self.lists(part, &["content"], path, depth)?,
            _ => self.value(&part.span),
        }
        Ok(())
    }

    /// The members of a part that hold a text or parts of their own.
    fn lists(
        &mut self,
        part: &Object,
        names: &[&str],
        path: Arguments<'_>,
        depth: usize,
    ) -> Result<(), BodyFault> {
        for name in names {
            if let Some(member) = part.get(name) {
                self.content(&member.value, format_args!("{path}.{name}"), depth.saturating_sub(1))?;
            }
        }
        Ok(())
    }

    /// An Anthropic document: its own text, or data that cannot be read here.
    fn document(&mut self, part: &Object, path: Arguments<'_>) -> Result<(), BodyFault> {
        let Some(source) = part.get("source").filter(|member| self.kind(&member.value) == Kind::Object)
        else {
            return Ok(());
        };
        let source = self.doc.object(source.value.clone(), format_args!("{path}.source"))?;
        match type_of(self.doc, &source).as_deref() {
            Some("text") => self.member_text(&source, "data"),
            Some("content") => self.lists(&source, &["content"], path, 1)?,
            _ => self.meter.add(FILE_TOKENS),
        }
        Ok(())
    }

    /// A prompt that is a text, tokens, or a list of such.
    fn plain(&mut self, span: &Span, depth: usize) {
        match self.kind(span) {
            Kind::Text => self.text(span),
            Kind::Number => self.meter.add(1),
            Kind::List if depth > 0 => {
                let doc = self.doc;
                let _ = json::each_element(doc.text(), span, |_, element| {
                    self.plain(&element, depth - 1);
                    Ok::<(), ()>(())
                });
            }
            _ => self.value(span),
        }
    }

    /// Top-level values that are shown to the model as JSON.
    fn values(&mut self, names: &[&str]) {
        for span in names.iter().filter_map(|name| self.doc.span(name)) {
            self.meter.add(FOR_TOOLS);
            self.value(&span);
        }
    }

    fn member_text(&mut self, object: &Object, name: &str) {
        if let Some(member) = object.get(name) {
            self.text(&member.value);
        }
    }

    fn text(&mut self, span: &Span) {
        let raw = json::slice(self.doc.text(), span);
        match json::kind(raw) {
            Kind::Text => self.meter.text(raw),
            Kind::Null => {}
            _ => self.meter.json(raw),
        }
    }

    fn value(&mut self, span: &Span) {
        let raw = json::slice(self.doc.text(), span);
        if json::kind(raw) != Kind::Null {
            self.meter.json(raw);
        }
    }

    fn kind(&self, span: &Span) -> Kind {
        json::kind(json::slice(self.doc.text(), span))
    }
}
