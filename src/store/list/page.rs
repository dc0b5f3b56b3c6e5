//! One page of a list, and how many rows fit, as of one moment.

use super::{Listing, Statements, statements};
use crate::error::Result;
use crate::store::engine::{EngineError, Row, Statement};
use crate::store::entity::{Page, Query, Total};
use crate::store::reach::{CANDIDATES_MAX, Way};
use crate::store::{LISTED, Store, plain_error};

impl Store {
    /// One page of anything, and how many there are, as of one moment.
    pub(in crate::store) fn page<T>(
        &self,
        listing: &Listing,
        query: &Query,
        item: impl Fn(&Row) -> Result<T, EngineError>,
    ) -> Result<Page<T>> {
        let way = self.way_of(listing, query)?;
        // Who only counts is told no more.
        let limit = if query.count == 0 { None } else { way.limit() };
        self.page_of(statements(listing, query, &way)?, limit, item)
    }

    /// How a list is read: in its order; or by what an index names, when it is asked to stay within bounds or when that
    /// is little.
    fn way_of(&self, listing: &Listing, query: &Query) -> Result<Way> {
        let (Some(reach), Some(filter)) = (listing.reach, &query.filter) else { return Ok(Way::Along) };
        if query.bounded {
            return Ok(Way::bounded(reach, filter));
        }
        let Some(Way::Candidates { source, value, max }) = reach.all_candidates(filter) else {
            return Ok(Way::Along);
        };
        let found = self.read_one(&source.probe(&value))?;
        let found = found.map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)?;
        Ok(if found > CANDIDATES_MAX { Way::Along } else { Way::Candidates { source, value, max } })
    }

    /// As [`Store::page`], with statements that are there already; `limit` says how many rows there are to look at, and
    /// how many of them are.
    pub(in crate::store) fn page_of<T>(
        &self,
        statements: Statements,
        limit: Option<(Statement, i64)>,
        item: impl Fn(&Row) -> Result<T, EngineError>,
    ) -> Result<Page<T>> {
        let Statements { count, counted_max, page } = statements;
        let (there_are, looked_at) = limit.unzip();
        let asked: Vec<Statement> = [page, count].into_iter().chain(there_are).collect();
        let answers = self.engine.read_bounded(&asked, LISTED).map_err(plain_error)?;
        let number = |index: usize| {
            let row = answers.get(index).and_then(|rows| rows.first());
            row.map_or(Ok(None), |row| row.optional_integer(0)).map_err(plain_error)
        };
        let counted = number(1)?.unwrap_or_default();
        let most = counted_max.unwrap_or(i64::MAX);
        let total = Total { count: counted.min(most), has_more: counted > most };
        let there_are = number(2)?.unwrap_or_default();
        let rows = answers.first().map(Vec::as_slice).unwrap_or_default();
        let items = rows.iter().map(|row| item(row).map_err(plain_error)).collect::<Result<_>>()?;
        Ok(Page { total, looked_at: looked_at.filter(|rows| there_are > *rows), items })
    }
}
