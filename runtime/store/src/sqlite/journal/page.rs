//! One page of a list, made with bounded work.

use rusqlite::{Row, Rows};

use crate::Page;
use crate::sqlite::fault::Work;
use crate::sqlite::value::number;

/// Items of one page, whatever is asked for.
const PAGE_ITEMS_MAX: usize = 1000;

/// After this many bytes a page ends.
pub(super) const PAGE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Rows looked at for one page. A filter that few rows pass gives pages with
/// fewer items than asked for; the next page goes on.
const PAGE_ROWS_MAX: usize = 20_000;

/// Reads the rows that match. The first column is the place in the list.
pub(super) fn page<T>(
    rows: &mut Rows<'_>,
    limit: u32,
    mut matches: impl FnMut(&Row<'_>) -> Work<bool>,
    mut read: impl FnMut(&Row<'_>) -> Work<(T, u64)>,
) -> Work<Page<T>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let limit = limit.clamp(1, PAGE_ITEMS_MAX);
    let (mut items, mut bytes, mut seen, mut last) = (Vec::new(), 0, 0, None);
    while let Some(row) = rows.next()? {
        if seen == PAGE_ROWS_MAX {
            return Ok(Page { items, next: last });
        }
        seen += 1;
        if matches(row)? {
            if items.len() == limit || bytes >= PAGE_BYTES_MAX {
                return Ok(Page { items, next: last });
            }
            let (item, size) = read(row)?;
            items.push(item);
            bytes += size;
        }
        last = Some(number(row, 0)?);
    }
    Ok(Page { items, next: None })
}
