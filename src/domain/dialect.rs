//! The five request dialects: what each calls the things we act on. Never looks at a body.

/// Which endpoint a body is for, and so how to read it (`openrouter-api.md` sections 2 to 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/chat/completions`, OpenAI's chat.
    Chat,
    /// `/completions`, the older text completion.
    Completions,
    /// `/embeddings`.
    Embeddings,
    /// `/responses`, OpenAI's Responses.
    Responses,
    /// `/messages`, Anthropic's Messages.
    Messages,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Dialect; 5] =
        [Dialect::Chat, Dialect::Completions, Dialect::Embeddings, Dialect::Responses, Dialect::Messages];

    /// The endpoint's path below the API's base.
    pub fn path(self) -> &'static str {
        match self {
            Dialect::Chat => "/chat/completions",
            Dialect::Completions => "/completions",
            Dialect::Embeddings => "/embeddings",
            Dialect::Responses => "/responses",
            Dialect::Messages => "/messages",
        }
    }

    /// The dialect of an endpoint's path.
    pub fn of_path(path: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.path() == path)
    }

    /// The fields that limit the output, in tokens; the first is the one we set. Empty: there is no
    /// output to limit. In chat both names mean the same cap (`openrouter-api.md` section 4).
    pub fn limit_fields(self) -> &'static [&'static str] {
        match self {
            Dialect::Chat => &["max_tokens", "max_completion_tokens"],
            Dialect::Completions | Dialect::Messages => &["max_tokens"],
            Dialect::Responses => &["max_output_tokens"],
            Dialect::Embeddings => &[],
        }
    }

    /// The field that holds what the model is to read.
    pub fn prompt_field(self) -> &'static str {
        match self {
            Dialect::Chat | Dialect::Messages => "messages",
            Dialect::Completions => "prompt",
            Dialect::Embeddings | Dialect::Responses => "input",
        }
    }
}
