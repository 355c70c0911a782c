//! An array of PostgreSQL, read from its binary form.

use super::DecodeError;

/// Dimensions, flags and type of the elements.
const HEADER: usize = 12;
/// Size and lower bound of one dimension.
const DIMENSION: usize = 8;

/// An array of a row, borrowed from its driver in PostgreSQL's binary form. SQLite has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayRef<'r>(&'r [u8]);

impl<'r> ArrayRef<'r> {
    /// Returns the array with this binary form.
    pub fn new(bytes: &'r [u8]) -> Self {
        Self(bytes)
    }

    /// Reads each element, all of which have a value.
    ///
    /// # Errors
    ///
    /// Describes an array of several dimensions, an element that is NULL, or one that `read` refuses.
    pub fn read<T>(self, read: impl Fn(&'r [u8]) -> Result<T, DecodeError>) -> Result<Vec<T>, DecodeError> {
        let cut_short = || DecodeError::new("an array that is cut short");
        match self.word(0).ok_or_else(cut_short)? {
            0 => return Ok(Vec::new()),
            1 => {}
            dimensions => return Err(DecodeError::new(format!("an array of {dimensions} dimensions"))),
        }
        let count = self.word(HEADER).ok_or_else(cut_short)?;
        let mut rest = self.0.get(HEADER + DIMENSION..).ok_or_else(cut_short)?;
        // Each element has at least its length, so a forged count allocates no more than the message holds.
        let mut items = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(rest.len() / 4));
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk().ok_or_else(cut_short)?;
            let length = match i32::from_be_bytes(*length) {
                -1 => return Err(DecodeError::new("an array with a NULL in it")),
                length => usize::try_from(length).map_err(|_| cut_short())?,
            };
            let (item, after) = after.split_at_checked(length).ok_or_else(cut_short)?;
            items.push(read(item)?);
            rest = after;
        }
        Ok(items)
    }

    fn word(self, at: usize) -> Option<i32> {
        self.0.get(at..)?.first_chunk().map(|word| i32::from_be_bytes(*word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn read(bytes: &[u8]) -> Result<Vec<usize>, String> {
        ArrayRef::new(bytes).read(|item| Ok(item.len())).map_err(|found| found.to_string())
    }

    #[test]
    fn arrays_of_one_dimension_are_read() {
        assert_eq!(read(&array(&[0, 0, 23])), Ok(vec![]));
        assert_eq!(read(&array(&[1, 0, 23, 2, 1, 4, 7, 0])), Ok(vec![4, 0]));
    }

    #[test]
    fn other_arrays_are_described() {
        for (words, found) in [
            (&[][..], "an array that is cut short"),
            (&[2, 0, 23, 1, 1, 1, 1, 4, 7], "an array of 2 dimensions"),
            (&[1, 1, 23, 1, 1, -1], "an array with a NULL in it"),
            (&[1, 0, 23, i32::MAX, 1], "an array that is cut short"),
            (&[1, 0, 23, 1, 1, -2], "an array that is cut short"),
            (&[1, 0, 23, 1, 1, 8, 7], "an array that is cut short"),
        ] {
            assert_eq!(read(&array(words)), Err(found.to_owned()), "{words:?}");
        }
    }
}
