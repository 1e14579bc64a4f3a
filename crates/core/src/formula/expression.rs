//! The language: text to a tree, and the tree to a number.

use crate::config::{ConfigError, near_miss};

/// An expression that was understood: it can be evaluated without allocating.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression(Node);

/// Why an expression has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoNumber {
    /// The metric of this number has no usable reading.
    Unusable(usize),
    /// A division by zero, or the like.
    NotFinite,
}

/// Truth is 1 and falsehood 0, so that there is one kind of value.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    Metric(usize),
    /// `#`, the member that a predicate is about.
    Member,
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Choice(Box<Node>, Box<Node>, Box<Node>),
    /// A function of all of these together.
    Of(Function, Vec<Node>),
    /// How many of these the predicate is true for.
    Counted(Quantifier, Vec<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unary {
    Minus,
    Not,
    Abs,
    Ceil,
    Floor,
    Round,
    Truncate,
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Min,
    Max,
    Sum,
    Mean,
    Median,
    Length,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Quantifier {
    Count,
    Any,
    All,
    None,
}

/// How deep an expression may be nested, and how many members a list can have: evaluation is on the stack.
const DEEPEST: usize = 32;
const LONGEST_LIST: usize = 32;
const LONGEST_TEXT: usize = 4096;
/// A chain of operators is a tree as deep as it is long.
const MOST_OPERATORS: usize = 256;

/// What a name before a parenthesis means.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// Of one number.
    One(Unary),
    /// Of several, or of a list.
    Several(Function),
    /// Of a list and a predicate.
    Counting(Quantifier),
}

const CALLS: [(&str, Call); 17] = [
    ("abs", Call::One(Unary::Abs)),
    ("all", Call::Counting(Quantifier::All)),
    ("any", Call::Counting(Quantifier::Any)),
    ("avg", Call::Several(Function::Mean)),
    ("ceil", Call::One(Unary::Ceil)),
    ("count", Call::Counting(Quantifier::Count)),
    ("float", Call::One(Unary::Same)),
    ("floor", Call::One(Unary::Floor)),
    ("int", Call::One(Unary::Truncate)),
    ("len", Call::Several(Function::Length)),
    ("max", Call::Several(Function::Max)),
    ("mean", Call::Several(Function::Mean)),
    ("median", Call::Several(Function::Median)),
    ("min", Call::Several(Function::Min)),
    ("none", Call::Counting(Quantifier::None)),
    ("round", Call::One(Unary::Round)),
    ("sum", Call::Several(Function::Sum)),
];

impl Expression {
    /// Reads `text`, in which the metrics of these names can stand.
    pub(super) fn parse(text: &str, metrics: &[&str]) -> Result<Self, ConfigError> {
        if text.len() > LONGEST_TEXT {
            return Err(ConfigError::new("", format!("must be at most {LONGEST_TEXT} bytes long")));
        }
        let mut parser = Parser { text, at: 0, metrics, depth: 0, operators: 0, in_predicate: false };
        let node = parser.choice()?;
        match parser.peek() {
            None => Ok(Self(node)),
            Some(_) => Err(parser.wrong("here the formula should end")),
        }
    }

    /// The number, with the readings that `read` gives.
    pub(super) fn evaluate(&self, read: &impl Fn(usize) -> Option<f64>) -> Result<f64, NoNumber> {
        let number = self.0.evaluate(read, f64::NAN)?;
        if number.is_finite() { Ok(number) } else { Err(NoNumber::NotFinite) }
    }
}

fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

impl Node {
    fn evaluate(&self, read: &impl Fn(usize) -> Option<f64>, member: f64) -> Result<f64, NoNumber> {
        Ok(match self {
            Self::Number(number) => *number,
            Self::Metric(index) => read(*index).ok_or(NoNumber::Unusable(*index))?,
            Self::Member => member,
            Self::Unary(operator, of) => operator.apply(of.evaluate(read, member)?),
            Self::Binary(operator, left, right) => match (operator, left.evaluate(read, member)?) {
                // What the right side would read is not needed.
                (Binary::And, 0.0) => truth(false),
                (Binary::Or, left) if left != 0.0 => truth(true),
                (operator, left) => operator.apply(left, right.evaluate(read, member)?),
            },
            Self::Choice(condition, yes, no) => {
                let chosen = if condition.evaluate(read, member)? != 0.0 { yes } else { no };
                chosen.evaluate(read, member)?
            }
            Self::Of(function, list) => {
                let mut values = [0.0; LONGEST_LIST];
                let values = &mut values[..list.len()];
                for (value, node) in values.iter_mut().zip(list) {
                    *value = node.evaluate(read, member)?;
                }
                function.apply(values)
            }
            Self::Counted(quantifier, list, predicate) => {
                let mut true_for = 0_usize;
                for node in list {
                    let member = node.evaluate(read, member)?;
                    true_for += usize::from(predicate.evaluate(read, member)? != 0.0);
                }
                quantifier.apply(true_for, list.len())
            }
        })
    }
}

impl Unary {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Minus => -value,
            Self::Not => truth(value == 0.0),
            Self::Abs => value.abs(),
            Self::Ceil => value.ceil(),
            Self::Floor => value.floor(),
            Self::Round => value.round(),
            Self::Truncate => value.trunc(),
            Self::Same => value,
        }
    }
}

impl Binary {
    #[expect(clippy::float_cmp, reason = "it is what the formula asks")]
    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
            Self::Power => power(left, right),
            Self::Less => truth(left < right),
            Self::LessOrEqual => truth(left <= right),
            Self::Greater => truth(left > right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Or => truth(left != 0.0 || right != 0.0),
        }
    }
}

/// By multiplication, which has the same bits on every machine: so only whole exponents make a number.
fn power(base: f64, exponent: f64) -> f64 {
    const LARGEST: f64 = 1024.0;
    if exponent.fract() != 0.0 || exponent.abs() > LARGEST {
        return f64::NAN;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and at most 1024")]
    let times = exponent.abs() as u32;
    let product = (0..times).fold(1.0, |product, _| product * base);
    if exponent < 0.0 { 1.0 / product } else { product }
}

#[expect(clippy::cast_precision_loss, reason = "a list has few members")]
impl Function {
    fn apply(self, values: &mut [f64]) -> f64 {
        let sum = || values.iter().sum::<f64>();
        match self {
            Self::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Sum => sum(),
            Self::Mean => sum() / values.len() as f64,
            Self::Median => {
                values.sort_unstable_by(f64::total_cmp);
                let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
                low + (high - low) / 2.0
            }
            Self::Length => values.len() as f64,
        }
    }
}

impl Quantifier {
    #[expect(clippy::cast_precision_loss, reason = "a list has few members")]
    fn apply(self, true_for: usize, of: usize) -> f64 {
        match self {
            Self::Count => true_for as f64,
            Self::Any => truth(true_for > 0),
            Self::All => truth(true_for == of),
            Self::None => truth(true_for == 0),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    metrics: &'a [&'a str],
    depth: usize,
    operators: usize,
    in_predicate: bool,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// Passes over `token`, if it is next. A word only where it ends.
    fn take(&mut self, token: &str) -> bool {
        self.peek();
        let is_word = token.chars().all(char::is_alphanumeric);
        let Some(after) = self.rest().strip_prefix(token) else { return false };
        if is_word && after.starts_with(in_name) {
            return false;
        }
        self.at += token.len();
        true
    }

    fn wrong(&self, what: &str) -> ConfigError {
        let column = self.text[..self.at].chars().count() + 1;
        let found = match self.rest().chars().next() {
            Some(_) => format!("`{}`", self.rest().chars().take(12).collect::<String>()),
            None => "the end".to_owned(),
        };
        ConfigError::new("", format!("at character {column}: {what}, found {found}"))
    }

    fn expect(&mut self, token: &str) -> Result<(), ConfigError> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(&format!("expected `{token}`"))) }
    }

    fn one_deeper(&mut self) -> Result<(), ConfigError> {
        self.depth += 1;
        if self.depth <= DEEPEST {
            return Ok(());
        }
        Err(self.wrong(&format!("nested more than {DEEPEST} deep")))
    }

    fn choice(&mut self) -> Result<Node, ConfigError> {
        self.one_deeper()?;
        let condition = self.binary(0)?;
        let node = if self.take("??") {
            return Err(self.wrong("`??` is not supported: a metric without a reading makes none of the whole"));
        } else if self.take("?") {
            let yes = self.choice()?;
            self.expect(":")?;
            let no = self.choice()?;
            Node::Choice(Box::new(condition), Box::new(yes), Box::new(no))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// The operators of `level` and those that bind tighter.
    fn binary(&mut self, level: usize) -> Result<Node, ConfigError> {
        // By how tight they bind; within a level the longer ones first.
        const LEVELS: [&[(&str, Binary)]; 6] = [
            &[("||", Binary::Or), ("or", Binary::Or)],
            &[("&&", Binary::And), ("and", Binary::And)],
            &[("==", Binary::Equal), ("!=", Binary::NotEqual)],
            &[("<=", Binary::LessOrEqual), (">=", Binary::GreaterOrEqual), ("<", Binary::Less), (">", Binary::Greater)],
            &[("+", Binary::Add), ("-", Binary::Subtract)],
            &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
        ];
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(&(_, operator)) = operators.iter().find(|(token, _)| self.take(token)) {
            self.one_more_operator()?;
            let right = self.binary(level + 1)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn one_more_operator(&mut self) -> Result<(), ConfigError> {
        self.operators += 1;
        if self.operators <= MOST_OPERATORS {
            return Ok(());
        }
        Err(self.wrong(&format!("more than {MOST_OPERATORS} operators")))
    }

    fn unary(&mut self) -> Result<Node, ConfigError> {
        for (token, operator) in [("-", Unary::Minus), ("+", Unary::Same), ("!", Unary::Not), ("not", Unary::Not)] {
            if self.take(token) {
                self.one_deeper()?;
                let of = self.unary()?;
                self.depth -= 1;
                return Ok(Node::Unary(operator, Box::new(of)));
            }
        }
        let base = self.value()?;
        if self.take("**") || self.take("^") {
            self.one_more_operator()?;
            // To the right: 2 ** 3 ** 2 is 2 ** 9.
            let power = self.unary()?;
            return Ok(Node::Binary(Binary::Power, Box::new(base), Box::new(power)));
        }
        Ok(base)
    }

    fn value(&mut self) -> Result<Node, ConfigError> {
        match self.peek() {
            Some('(') => {
                self.expect("(")?;
                let inner = self.choice()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some('#') if self.in_predicate => {
                self.expect("#")?;
                Ok(Node::Member)
            }
            Some('#') => Err(self.wrong("`#` stands only inside the braces of `count`, `any`, `all` and `none`")),
            Some(digit) if digit.is_ascii_digit() || digit == '.' => self.number(),
            Some(letter) if in_name(letter) => self.name(),
            Some('[') => Err(self.wrong("a list stands only as the argument of a function, such as `max([a, b])`")),
            Some('"' | '\'') => Err(self.wrong("text is not supported: a formula is of numbers")),
            _ => Err(self.wrong("expected a number, a metric's name or a function")),
        }
    }

    fn number(&mut self) -> Result<Node, ConfigError> {
        let rest = self.rest();
        let is_exponent_sign = |index: usize| {
            matches!(rest.as_bytes()[index], b'+' | b'-')
                && index > 0
                && matches!(rest.as_bytes()[index - 1], b'e' | b'E')
        };
        let end = rest
            .bytes()
            .enumerate()
            .position(|(index, byte)| {
                !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_exponent_sign(index))
            })
            .unwrap_or(rest.len());
        match rest[..end].replace('_', "").parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.at += end;
                Ok(Node::Number(number))
            }
            _ => Err(self.wrong("this is not a number")),
        }
    }

    fn name(&mut self) -> Result<Node, ConfigError> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        self.at += end;
        match name {
            "true" => return Ok(Node::Number(1.0)),
            "false" => return Ok(Node::Number(0.0)),
            _ => {}
        }
        if self.peek() == Some('(') {
            return self.call(name, start);
        }
        match self.metrics.iter().position(|metric| *metric == name) {
            Some(index) => Ok(Node::Metric(index)),
            None => {
                let hint = near_miss(name, self.metrics);
                self.at = start;
                Err(self.wrong(&format!("no metric is called `{name}` ({hint})")))
            }
        }
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Node, ConfigError> {
        self.expect("(")?;
        let Some((_, call)) = CALLS.iter().find(|(known, _)| *known == name) else {
            let hint = near_miss(name, &CALLS.map(|(known, _)| known));
            self.at = start;
            return Err(self.wrong(&format!("no function is called `{name}` ({hint})")));
        };
        let node = match *call {
            Call::One(operator) => Node::Unary(operator, Box::new(self.choice()?)),
            Call::Several(function) => {
                let bare = self.peek() != Some('[');
                Node::Of(function, if bare { self.members(")")? } else { self.list()? })
            }
            Call::Counting(quantifier) => {
                let list = self.list()?;
                self.expect(",")?;
                Node::Counted(quantifier, list, Box::new(self.predicate()?))
            }
        };
        self.expect(")")?;
        Ok(node)
    }

    /// In braces or without.
    fn predicate(&mut self) -> Result<Node, ConfigError> {
        let braces = self.take("{");
        let outer = std::mem::replace(&mut self.in_predicate, true);
        let predicate = self.choice()?;
        self.in_predicate = outer;
        if braces {
            self.expect("}")?;
        }
        Ok(predicate)
    }

    fn list(&mut self) -> Result<Vec<Node>, ConfigError> {
        self.expect("[")?;
        let list = self.members("]")?;
        self.expect("]")?;
        Ok(list)
    }

    /// At least one, up to what closes the list.
    fn members(&mut self, end: &str) -> Result<Vec<Node>, ConfigError> {
        let mut list = vec![self.choice()?];
        while self.take(",") {
            list.push(self.choice()?);
            if list.len() > LONGEST_LIST {
                return Err(self.wrong(&format!("a list can have at most {LONGEST_LIST} members, before `{end}`")));
            }
        }
        Ok(list)
    }
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: [&str; 3] = ["a", "b", "queue_1"];

    fn number(text: &str) -> Result<f64, String> {
        let readings = [Some(2.0), Some(8.0), None];
        let expression = Expression::parse(text, &METRICS).map_err(|error| error.message)?;
        expression.evaluate(&|index| readings[index]).map_err(|why| format!("{why:?}"))
    }

    #[test]
    fn formulas_have_the_numbers_that_expr_gives_them() {
        let cases = [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("10 - 4 - 3", 3.0),
            ("2 ** 3 ** 2", 512.0),
            ("2 ^ 3", 8.0),
            ("-2 ** 2", -4.0),
            ("2 ** -2", 0.25),
            ("7 % 4", 3.0),
            ("1e2 + 1_000", 1100.0),
            (".5 + 1.5e-1", 0.65),
            ("a + b", 10.0),
            ("(a + b) / 2", 5.0),
            ("a > 1 and b > 9", 0.0),
            ("a > 1 && b < 9", 1.0),
            ("a > 5 or not (b > 9)", 1.0),
            ("!(a == 2)", 0.0),
            ("a != 2 || b >= 8", 1.0),
            ("a > 1 ? b : queue_1", 8.0),
            ("a > 5 ? 1 : b > 5 ? 2 : 3", 2.0),
            ("float(b) > 5 ? 10 : 1", 10.0),
            ("ceil(2.1) + floor(2.9) + round(2.5) + abs(-1) + int(3.9)", 12.0),
            ("max(a, b) - min([a, b])", 6.0),
            ("sum([a, b, 2]) + avg([a, b]) + mean(a, b) + median([1, 9, 3])", 25.0),
            ("count([a, b, 9], {# > 5})", 2.0),
            ("count([a, b], # > 1) > 1 ? 5 : 0", 5.0),
            ("any([a, b], {# > 5}) and all([a, b], {# > 1}) and none([a], {# > 5})", 1.0),
            ("len([a, b])", 2.0),
            ("true ? 1 : 2", 1.0),
        ];
        for (text, want) in cases {
            let got = number(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!((got - want).abs() < 1e-12, "{text}: {got}, want {want}");
        }
    }

    #[test]
    fn what_is_no_number_or_no_formula_is_said_with_its_place() {
        let cases = [
            ("a + queue_1", "Unusable(2)"),
            ("a / (b - 8)", "NotFinite"),
            ("a ** 0.5", "NotFinite"),
            ("a +", "at character 4: expected a number, a metric's name or a function, found the end"),
            ("a + c", "at character 5: no metric is called `c` (known: `a`, `b`, `queue_1`), found `c`"),
            ("queue1 > 1", "did you mean `queue_1`?"),
            ("maxx(a, b)", "no function is called `maxx` (did you mean `max`?"),
            ("a b", "at character 3: here the formula should end, found `b`"),
            ("a ? b", "expected `:`, found the end"),
            ("count([a], {# > \"x\"})", "text is not supported"),
            ("# > 1", "`#` stands only inside"),
            ("[a, b]", "a list stands only as the argument"),
            ("a ?? 1", "`??` is not supported"),
            ("1.2.3", "this is not a number"),
            ("max()", "expected a number"),
            ("a | b", "here the formula should end"),
        ];
        for (text, want) in cases {
            let error = number(text).expect_err(text);
            assert!(error.contains(want), "{text}: {error}");
        }
        for deep in ["(".repeat(40) + "1" + &")".repeat(40), "-".repeat(40) + "1"] {
            assert!(number(&deep).expect_err("too deep").contains("nested more than"), "{deep}");
        }
        for chain in ["1+".repeat(2000) + "1", "1^".repeat(2000) + "1"] {
            assert!(number(&chain).expect_err("too long").contains("more than 256 operators"), "{chain}");
        }
        let within = "1+".repeat(256) + "1";
        assert_eq!(number(&within), Ok(257.0));
        let long = format!("max({})", vec!["a"; 40].join(", "));
        assert!(number(&long).expect_err("too long").contains("at most 32 members"));
    }
}
