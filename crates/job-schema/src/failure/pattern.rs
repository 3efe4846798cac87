//! A message without what differs from case to case, so that a thousand failures are a handful of kinds.
//!
//! What is between quotes or backticks goes first, then the text is looked at word by word. Patterns are kept by
//! whoever groups by them: a change here splits groups, so there should be none without need.

/// Shortest run of hexadecimal digits that is an identity and not a word or a number.
const ID_CHARS_MIN: usize = 8;
/// Lengths of the parts of a UUID.
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

/// The pattern of a message.
pub(super) fn of(message: &str) -> String {
    let unquoted = without_quotes(&message.chars().collect::<Vec<_>>());
    let words: Vec<String> = unquoted.split_whitespace().map(of_word).collect();
    words.join(" ")
}

/// Replaces every quotation by `<quoted>`. A quote that nobody closes stays, and so does an apostrophe.
fn without_quotes(text: &[char]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&char) = text.get(at) {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        match closing(char, before).and_then(|close| end_of_quote(text, at + 1, close)) {
            Some(end) => {
                out.push_str("<quoted>");
                at = end + 1;
            }
            None => {
                out.push(char);
                at += 1;
            }
        }
    }
    out
}

/// What closes a quotation that begins with this character.
fn closing(open: char, before: Option<&char>) -> Option<char> {
    match open {
        '`' | '"' => Some(open),
        '“' => Some('”'),
        '‘' => Some('’'),
        '\'' if before.is_none_or(|before| !before.is_alphanumeric()) => Some('\''),
        _ => None,
    }
}

/// Where the quotation that begins before `from` is closed.
fn end_of_quote(text: &[char], from: usize, close: char) -> Option<usize> {
    let is_end = |at: &usize| {
        let apostrophe =
            close == '\'' && text.get(at + 1).is_some_and(|next| next.is_alphanumeric());
        text.get(*at) == Some(&close) && !apostrophe
    };
    (from..text.len()).find(is_end)
}

/// One word, with the brackets and stops around it as they are.
fn of_word(word: &str) -> String {
    let core = word
        .trim_start_matches(['(', '[', '{', ',', ';'])
        .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}']);
    let around = word.split_once(core).unwrap_or(("", ""));
    format!("{}{}{}", around.0, of_core(core), around.1)
}

fn of_core(core: &str) -> String {
    if core.contains("://") {
        return "<url>".to_owned();
    }
    if is_path(core) {
        return "<path>".to_owned();
    }
    let chars: Vec<char> = core.chars().collect();
    if is_time(&chars) {
        return "<time>".to_owned();
    }
    let mut out = String::new();
    let mut rest = chars.as_slice();
    while let Some(first) = rest.first() {
        let (length, shown) = match run(rest) {
            Some(found) => found,
            None => (1, first.to_string()),
        };
        out.push_str(&shown);
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Slashes alone do not make a path: `and/or` is a word.
fn is_path(word: &str) -> bool {
    let slashes = word.matches('/').count();
    let named = word.contains('.') || word.contains(|char: char| char.is_ascii_digit());
    let rooted = word.starts_with(['/', '~', '.']);
    slashes > 0 && word.len() > 1 && (rooted || slashes > 1 || named)
}

/// RFC 3339: `2026-02-02T02:40:00.120Z`, or its date alone.
fn is_time(word: &[char]) -> bool {
    let digit = |at: usize| word.get(at).is_some_and(char::is_ascii_digit);
    let dash = |at: usize| word.get(at) == Some(&'-');
    (0..4).chain([5, 6, 8, 9]).all(digit)
        && dash(4)
        && dash(7)
        && word.get(10).is_none_or(|char| *char == 'T')
}

/// An identity, a number or a plain run of letters at the beginning: how long it is, and what stands for it.
fn run(text: &[char]) -> Option<(usize, String)> {
    if let Some(length) = uuid(text) {
        return Some((length, "<id>".to_owned()));
    }
    let letters = text.iter().take_while(|char| char.is_ascii_alphanumeric()).count();
    let word = text.get(..letters)?;
    let has_digit = word.iter().any(char::is_ascii_digit);
    let is_hex = word.iter().all(char::is_ascii_hexdigit);
    if is_hex && has_digit && letters >= ID_CHARS_MIN && !word.iter().all(char::is_ascii_digit) {
        return Some((letters, "<id>".to_owned()));
    }
    let number = number(text);
    if number > 0 {
        return Some((number, "<n>".to_owned()));
    }
    let plain = word.iter().take_while(|char| !char.is_ascii_digit()).count();
    (plain > 0).then(|| (plain, word.iter().take(plain).collect()))
}

fn uuid(text: &[char]) -> Option<usize> {
    let mut at = 0;
    for (index, length) in UUID_PARTS.into_iter().enumerate() {
        if index > 0 {
            (text.get(at) == Some(&'-')).then_some(())?;
            at += 1;
        }
        let part = text.get(at..at + length)?;
        part.iter().all(char::is_ascii_hexdigit).then_some(())?;
        at += length;
    }
    text.get(at).is_none_or(|next| !next.is_ascii_alphanumeric()).then_some(at)
}

/// Digits, with separators between digits: `12`, `1,234.5`, `10.0.0.7`.
fn number(text: &[char]) -> usize {
    let is_digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
    let mut length = 0;
    while is_digit(length)
        || length > 0 && matches!(text.get(length), Some('.' | ',')) && is_digit(length + 1)
    {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::of;

    #[test]
    fn what_differs_from_case_to_case_goes() {
        for (message, expected) in [
            ("the child died of SIGSEGV", "the child died of SIGSEGV"),
            ("is 70,000 × 1.5 px (most 65535).", "is <n> × <n> px (most <n>)."),
            ("no answer in 10s, 3 tries", "no answer in <n>s, <n> tries"),
            ("`a b.jpg` is no picture", "<quoted> is no picture"),
            (
                "key \"x\" and 'y z' of the job's “w”",
                "key <quoted> and <quoted> of the job's <quoted>",
            ),
            ("the job's deadline, the workers' clocks", "the job's deadline, the workers' clocks"),
            ("an open ` stays", "an open ` stays"),
            ("GET https://a.example/b?c=1: 503", "GET <url>: <n>"),
            ("cannot read /var/tmp/x (os error 2)", "cannot read <path> (os error <n>)"),
            ("photos/2026/a.jpg and/or b", "<path> and/or b"),
            ("job 01890a5d-ac96-774b-bcce-b302099a8057 ended", "job <id> ended"),
            ("claim a3-7f3c21ab of etag d41d8cd98f00b204", "claim a<n>-<id> of etag <id>"),
            ("at 2026-02-02T02:40:00.120Z, on 2026-02-02.", "at <time>, on <time>."),
            ("10.0.0.7:9093  did\nnot answer", "<n>:<n> did not answer"),
            ("the facade decoded 12345678 tiles", "the facade decoded <n> tiles"),
            ("", ""),
        ] {
            assert_eq!(of(message), expected, "{message:?}");
        }
    }

    proptest! {
        /// Whatever a message holds, no digit tells it apart.
        #[test]
        fn no_digit_is_left(message in "(\\PC|[0-9a-f/'`.:-]){0,80}") {
            let pattern = of(&message);
            prop_assert!(!pattern.contains(|char: char| char.is_ascii_digit()), "{pattern}");
        }

        /// Numbers never tell two failures apart.
        #[test]
        fn numbers_do_not_count(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(of(&format!("{a} px of {a}.")), of(&format!("{b} px of {b}.")));
        }
    }
}
