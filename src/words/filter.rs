//! Row filters: which rows a list or a feed is about, in PostgREST's spelling: `status=eq.open`, `or=(a.eq.1,b.gt.2)`.
//!
//! Nothing here knows a type: a value stays the text that came, and PostgreSQL reads it as its column's type. Filters
//! that say the same in another order or nesting are the same value, with the same spelling.

mod quotes;
mod reader;
mod spelling;

pub use quotes::{read_name, split_names};

/// How deep groups may stand in one another.
pub const DEEPEST: usize = 8;
/// Conditions of one filter.
pub const MOST_CONDITIONS: usize = 100;
/// Values of one `in.(…)`.
pub const MOST_VALUES: usize = 1000;

/// Which rows are wanted. Negation stands at conditions alone, groups hold at least two and never their own kind, and
/// members are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Filter {
    /// One condition.
    One(Condition),
    /// Any of them must hold.
    Any(Vec<Filter>),
    /// All of them must hold; none at all is every row.
    All(Vec<Filter>),
}

/// One condition on one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Condition {
    /// The column's name as the client wrote it.
    pub column: String,
    /// True after `not.`.
    pub negated: bool,
    /// What is asked of the column.
    pub test: Test,
}

/// What is asked of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Test {
    /// `eq.5`: a comparison with one value.
    Compare(Comparison, String),
    /// `like.a*`: a text of a pattern.
    Like(Letters, String),
    /// `in.(a,b)`: one of several values, sorted.
    In(Vec<String>),
    /// `is.null`: what no comparison can tell.
    Is(Truth),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// The column contains the value: keys and elements of jsonb, elements of an array, a part of a range.
    Contains,
}

/// Whether a pattern tells large letters from small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Letters {
    /// `like`: it does.
    AsWritten,
    /// `ilike`: it does not.
    AnyCase,
}

/// What `is` may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Truth {
    /// No value.
    Null,
    /// A boolean that is true.
    True,
    /// A boolean that is false.
    False,
    /// A boolean without value.
    Unknown,
}

/// A parameter of a list that cannot be meant; `code` is the wire's error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuery {
    /// `bad_filter` or `bad_limit`.
    pub code: &'static str,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl BadQuery {
    /// A filter, a selection or an order that cannot be meant.
    pub fn filter(message: impl Into<String>) -> Self {
        Self { code: "bad_filter", message: message.into() }
    }

    /// A limit or an offset that cannot be meant.
    pub fn limit(message: impl Into<String>) -> Self {
        Self { code: "bad_limit", message: message.into() }
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Filter {
    /// Reads the pairs of a query, decoded, each a filter: `("total", "gte.100")`, `("or", "(a.eq.1,b.is.null)")`.
    pub fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BadQuery> {
        let members = pairs.into_iter().map(|(name, text)| reader::pair(name, text));
        let filter = Self::all(members.collect::<Result<_, _>>()?);
        if filter.conditions().count() > MOST_CONDITIONS {
            return Err(BadQuery::filter(format!("a filter has at most {MOST_CONDITIONS} conditions")));
        }
        Ok(filter)
    }

    /// True when every row is wanted.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::All(members) if members.is_empty())
    }

    /// Its conditions, wherever they stand.
    pub fn conditions(&self) -> Box<dyn Iterator<Item = &Condition> + '_> {
        match self {
            Self::One(condition) => Box::new(std::iter::once(condition)),
            Self::Any(members) | Self::All(members) => Box::new(members.iter().flat_map(Self::conditions)),
        }
    }

    fn all(members: Vec<Self>) -> Self {
        let own = |member| match member {
            Self::All(members) => Ok(members),
            other => Err(other),
        };
        group(members, own, Self::All)
    }

    fn any(members: Vec<Self>) -> Self {
        let own = |member| match member {
            Self::Any(members) => Ok(members),
            other => Err(other),
        };
        group(members, own, Self::Any)
    }

    /// What holds where this does not; where it is unknown, that is unknown too.
    fn negated(self) -> Self {
        let turned = |members: Vec<Self>| members.into_iter().map(Self::negated).collect();
        match self {
            Self::One(condition) => Self::One(Condition { negated: !condition.negated, ..condition }),
            Self::Any(members) => Self::all(turned(members)),
            Self::All(members) => Self::any(turned(members)),
        }
    }
}

/// A group in its one form.
fn group(
    members: Vec<Filter>,
    own: impl Fn(Filter) -> Result<Vec<Filter>, Filter>,
    make: impl FnOnce(Vec<Filter>) -> Filter,
) -> Filter {
    let mut flat: Vec<Filter> =
        members.into_iter().flat_map(|member| own(member).unwrap_or_else(|other| vec![other])).collect();
    flat.sort();
    flat.dedup();
    match <[Filter; 1]>::try_from(flat) {
        Ok([only]) => only,
        Err(flat) => make(flat),
    }
}

impl Test {
    /// The values it compares with.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let values = match self {
            Self::Compare(_, value) | Self::Like(_, value) => std::slice::from_ref(value),
            Self::In(values) => values,
            Self::Is(_) => &[],
        };
        values.iter().map(String::as_str)
    }
}

impl Comparison {
    /// All of them.
    const EVERY: [Self; 7] = [Self::Eq, Self::Neq, Self::Gt, Self::Gte, Self::Lt, Self::Lte, Self::Contains];

    /// Its word in a filter.
    pub fn word(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Neq => "neq",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Contains => "cs",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|comparison| comparison.word() == word)
    }
}

impl Letters {
    /// Its word in a filter.
    pub fn word(self) -> &'static str {
        match self {
            Self::AsWritten => "like",
            Self::AnyCase => "ilike",
        }
    }
}

impl Truth {
    /// All of them.
    const EVERY: [Self; 4] = [Self::Null, Self::True, Self::False, Self::Unknown];

    /// Its word in a filter, and in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}
