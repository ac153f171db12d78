//! Lists in pages.

use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{Kind, Problem};

/// Items per page where the caller does not say.
const PAGE_DEFAULT: u32 = 50;
/// Items per page at most.
const PAGE_MAX: u32 = 500;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Give it as `cursor` to get the next page; null on the last.
    pub(crate) next: Option<String>,
}

impl<T> From<ringfence_store::Page<T>> for Page<T> {
    fn from(page: ringfence_store::Page<T>) -> Self {
        Self {
            items: page.items,
            next: page.next.map(|next| next.to_string()),
        }
    }
}

impl<T> Page<T> {
    /// Of a list of which one item more than a page was read.
    pub(crate) fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items.last().map(cursor)
        });
        Self {
            items,
            next: next.flatten(),
        }
    }
}

/// The size of a page.
pub(crate) fn size(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        limit => Err(Problem::new(
            Kind::INVALID_QUERY,
            format!("`limit` may be 1 to {PAGE_MAX}; {limit} was given."),
        )
        .at("limit")
        .over(u64::from(PAGE_MAX), u64::from(limit))),
    }
}

/// A cursor of a list that is ordered by number.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<u64>, Problem> {
    text.map(|text| {
        text.parse().map_err(|_| {
            Problem::new(
                Kind::INVALID_CURSOR,
                "`cursor` is not one that this list gave.",
            )
            .at("cursor")
            .hint("Take it from `next` of the page before, unchanged.")
        })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_after_a_full_page() {
        let page = |count| Page::cut((0..count).collect(), 2, i32::to_string);
        assert_eq!(page(2).next, None);
        let cut = page(3);
        assert_eq!((cut.items, cut.next), (vec![0, 1], Some("1".into())));
        assert_eq!(page(0).next, None);
    }

    #[test]
    fn sizes() {
        assert_eq!(size(None).unwrap(), PAGE_DEFAULT);
        assert!(size(Some(0)).is_err());
        assert!(size(Some(PAGE_MAX + 1)).is_err());
    }
}
