//! Something to test.

/// Adds.
pub fn add(a: i32, b: i32) -> i32 {
    a + b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        assert_eq!(add(1, 1), 2);
    }

    #[test]
    fn is_balanced() {
        println!("<printed> & ]]>");
        if std::env::var("GREEN").is_err() {
            assert_eq!(add(1, 1), 3, "the <balance> & more");
        }
    }

    #[test]
    #[ignore = "no database"]
    fn is_skipped() {}

    #[test]
    #[should_panic]
    fn panics() {
        panic!("as it should");
    }
}
