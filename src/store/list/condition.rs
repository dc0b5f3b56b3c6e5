//! The conditions and the order of a list, as SQL.

use super::{Attribute, Kind, invalid};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::{AttributePath, Filter, Literal, Op};
use crate::model::fields::nearest;
use crate::model::id::Id;
use crate::store::engine::Value;
use crate::store::entity::Query;
use crate::store::reach::Way;

/// The attributes that can be named here.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) attributes: &'static [Attribute],
    /// Those that every resource has: none inside a [`Kind::Many`].
    pub(super) common: &'static [Attribute],
}

/// A statement on its way.
pub(super) struct Assembly {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
}

impl Assembly {
    /// Holds a list to the rows that its way leads to. Comes first: the parameters of a source are ?1 and ?2.
    pub(super) fn on(&mut self, way: &Way, key: &'static str) {
        match way {
            Way::Along => {}
            Way::Newest(reach) => {
                self.sql.push_str(reach.newest);
                self.param(Value::Integer(reach.rows.into()));
                self.sql.push_str(" AND ");
            }
            Way::Candidates { source, value, max } => {
                self.params.extend([value.clone(), Value::Integer(max.unwrap_or(-1))]);
                self.sql.push_str(key);
                self.sql.push_str(" IN (");
                self.sql.push_str(source.select);
                self.sql.push_str(") AND ");
            }
        }
    }

    pub(super) fn param(&mut self, value: Value) {
        self.params.push(value);
        self.sql.push('?');
        self.sql.push_str(&self.params.len().to_string());
    }

    pub(super) fn condition(&mut self, filter: &Filter, scope: Scope) -> Result<(), String> {
        match filter {
            Filter::And(all) => self.joined(all, " AND ", scope),
            Filter::Or(any) => self.joined(any, " OR ", scope),
            Filter::Not(inner) => {
                // A comparison with what is absent is NULL, and its negation must hold.
                self.sql.push_str("NOT COALESCE((");
                self.condition(inner, scope)?;
                self.sql.push_str("), 0)");
                Ok(())
            }
            Filter::Within { path, filter } => {
                let (attribute, rest) = find(path, scope)?;
                let Kind::Many(inner) = attribute.kind else {
                    return Err(format!("{path} has no members to filter by in brackets"));
                };
                if !rest.is_empty() {
                    return Err(format!("{path}: put the member inside the brackets"));
                }
                self.exists(attribute, |text| text.condition(filter, Scope { attributes: inner, common: &[] }))
            }
            Filter::Present(path) => self.leaf(path, scope, |text, attribute, rest| text.present(attribute, rest)),
            Filter::Compare { path, op, value } => {
                self.leaf(path, scope, |text, attribute, rest| text.compare(attribute, rest, *op, value))
            }
            Filter::In { path, values } => {
                self.leaf(path, scope, |text, attribute, rest| text.one_of(attribute, rest, values))
            }
        }
    }

    fn joined(&mut self, parts: &[Filter], with: &'static str, scope: Scope) -> Result<(), String> {
        self.sql.push('(');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.sql.push_str(with);
            }
            self.condition(part, scope)?;
        }
        self.sql.push(')');
        Ok(())
    }

    /// Finds the attribute, steps into its rows where it has several, and writes the condition on it.
    fn leaf(
        &mut self,
        path: &AttributePath,
        scope: Scope,
        write: impl FnOnce(&mut Self, &'static Attribute, &[String]) -> Result<(), String>,
    ) -> Result<(), String> {
        let (attribute, rest) = find(path, scope)?;
        let Kind::Many(inner) = attribute.kind else { return write(self, attribute, rest) };
        let name = rest.first().map_or("value", String::as_str);
        let member = inner.iter().find(|member| member.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names: Vec<&str> = inner.iter().map(|member| member.name).collect();
            format!("name a member of {}: {}", attribute.name, names.join(", "))
        })?;
        self.exists(attribute, |text| write(text, member, &[]))
    }

    fn exists(
        &mut self,
        attribute: &Attribute,
        inside: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.sql.push_str(attribute.expr);
        self.sql.push_str(" AND (");
        inside(self)?;
        self.sql.push_str("))");
        Ok(())
    }

    /// The SQL of an attribute's value.
    fn operand(&mut self, attribute: &Attribute, rest: &[String]) -> Result<(), String> {
        if !matches!(attribute.kind, Kind::Json) {
            self.sql.push_str(attribute.expr);
            return Ok(());
        }
        if rest.is_empty() {
            return Err(format!("name a member of {}, like {}.team", attribute.name, attribute.name));
        }
        self.json("json_extract(", attribute, rest);
        Ok(())
    }

    fn json(&mut self, function: &'static str, attribute: &Attribute, rest: &[String]) {
        self.sql.push_str(function);
        self.sql.push_str(attribute.expr);
        self.sql.push_str(", ");
        let path: Vec<String> = rest.iter().map(|name| format!(".\"{}\"", name.replace('"', ""))).collect();
        self.param(Value::Text(format!("${}", path.concat())));
        self.sql.push(')');
    }

    /// As [`Assembly::operand`], where a JSON value of another type than the literal's counts as absent: to
    /// SQL every text is greater than every number, and true is 1.
    fn operand_like(&mut self, attribute: &Attribute, rest: &[String], literal: &Literal) -> Result<(), String> {
        let types = match literal {
            Literal::String(_) => "'text'",
            Literal::Number(_) => "'integer', 'real'",
            Literal::Bool(_) => "'true', 'false'",
            Literal::Null => return self.operand(attribute, rest),
        };
        if !matches!(attribute.kind, Kind::Json) || rest.is_empty() {
            return self.operand(attribute, rest);
        }
        self.sql.push_str("CASE WHEN ");
        self.json("json_type(", attribute, rest);
        self.sql.push_str(" IN (");
        self.sql.push_str(types);
        self.sql.push_str(") THEN ");
        self.operand(attribute, rest)?;
        self.sql.push_str(" END");
        Ok(())
    }

    fn present(&mut self, attribute: &Attribute, rest: &[String]) -> Result<(), String> {
        self.sql.push('(');
        self.operand(attribute, rest)?;
        self.sql.push_str(" IS NOT NULL");
        if matches!(attribute.kind, Kind::Text | Kind::Exact) {
            self.sql.push_str(" AND ");
            self.operand(attribute, rest)?;
            self.sql.push_str(" <> ''");
        }
        self.sql.push(')');
        Ok(())
    }

    fn compare(&mut self, attribute: &Attribute, rest: &[String], op: Op, literal: &Literal) -> Result<(), String> {
        let value = parameter(attribute, op, literal)?;
        if let (Kind::TimeOf { within, id }, Value::Integer(ms)) = (&attribute.kind, &value) {
            self.made(within, id, op, *ms);
            return Ok(());
        }
        let folds = matches!(attribute.kind, Kind::Text);
        let operator = match op {
            Op::Co | Op::Sw | Op::Ew => return self.part(attribute, rest, op, literal, value),
            Op::Eq => " IS ",
            Op::Ne => " IS NOT ",
            Op::Gt => " > ",
            Op::Ge => " >= ",
            Op::Lt => " < ",
            Op::Le => " <= ",
        };
        self.operand_like(attribute, rest, literal)?;
        if folds {
            self.sql.push_str(" COLLATE NOCASE");
        }
        self.sql.push_str(operator);
        self.param(value);
        Ok(())
    }

    /// A time, by the ids that were made then.
    fn made(&mut self, within: &'static str, id: &'static str, op: Op, ms: i64) {
        let after = ms.saturating_add(1);
        let bounds: &[(&str, i64)] = match op {
            Op::Ge => &[(" >= ", ms)],
            Op::Gt => &[(" >= ", after)],
            Op::Lt => &[(" < ", ms)],
            Op::Le => &[(" < ", after)],
            _ => &[(" >= ", ms), (" < ", after)],
        };
        if op == Op::Ne {
            self.sql.push_str("NOT ");
        }
        self.sql.push_str(within);
        for (index, (operator, ms)) in bounds.iter().enumerate() {
            if index > 0 {
                self.sql.push_str(" AND ");
            }
            self.sql.push_str(id);
            self.sql.push_str(operator);
            self.param(Value::Id(Id::first_of(*ms)));
        }
        self.sql.push(')');
    }

    /// `in [...]`: a list for each type among the values. A chain of OR would be deeper than SQLite takes.
    fn one_of(&mut self, attribute: &Attribute, rest: &[String], values: &[Literal]) -> Result<(), String> {
        let mut waiting: Vec<&Literal> = values.iter().collect();
        self.sql.push('(');
        while let Some(first) = waiting.first().copied() {
            let is_alike = |value: &&Literal| std::mem::discriminant(*value) == std::mem::discriminant(first);
            let (alike, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_alike);
            self.operand_like(attribute, rest, first)?;
            if matches!(attribute.kind, Kind::Text) {
                self.sql.push_str(" COLLATE NOCASE");
            }
            for (index, value) in alike.into_iter().enumerate() {
                self.sql.push_str(if index == 0 { " IN (" } else { ", " });
                self.param(parameter(attribute, Op::Eq, value)?);
            }
            self.sql.push_str(if others.is_empty() { ")" } else { ") OR " });
            waiting = others;
        }
        self.sql.push(')');
        Ok(())
    }

    /// `co`, `sw` and `ew`.
    fn part(
        &mut self,
        attribute: &Attribute,
        rest: &[String],
        op: Op,
        literal: &Literal,
        value: Value,
    ) -> Result<(), String> {
        let (open, close) = if matches!(attribute.kind, Kind::Text) { ("lower(", ")") } else { ("(", ")") };
        let folded = |text: &mut Self, value: Value| {
            text.sql.push_str(open);
            text.param(value);
            text.sql.push_str(close);
        };
        // co: instr(x, v) > 0; sw: instr(x, v) = 1; ew: substr(x, -length(v)) = v
        self.sql.push_str(if op == Op::Ew { "substr(" } else { "instr(" });
        self.sql.push_str(open);
        self.operand_like(attribute, rest, literal)?;
        self.sql.push_str(close);
        match op {
            Op::Ew => {
                self.sql.push_str(", -length(");
                self.param(value.clone());
                self.sql.push_str(")) = ");
                folded(self, value);
            }
            _ => {
                self.sql.push_str(", ");
                folded(self, value);
                self.sql.push_str(if op == Op::Sw { ") = 1" } else { ") > 0" });
            }
        }
        Ok(())
    }

    pub(super) fn order(&mut self, key: &'static str, scope: Scope, query: &Query) -> Result<()> {
        let direction = if query.descending { " DESC" } else { " ASC" };
        self.sql.push_str(" ORDER BY ");
        if let Some(sort_by) = &query.sort_by {
            let path = AttributePath::parse(sort_by).map_err(|error| invalid("sortBy", error.to_string()))?;
            let (attribute, rest) = find(&path, scope).map_err(|message| invalid("sortBy", message))?;
            if matches!(attribute.kind, Kind::Many(_)) {
                return Err(invalid(
                    "sortBy",
                    format!("{} has several values: sort by another attribute", attribute.name),
                ));
            }
            self.operand(attribute, rest).map_err(|message| invalid("sortBy", message))?;
            if matches!(attribute.kind, Kind::Text) {
                self.sql.push_str(" COLLATE NOCASE");
            }
            self.sql.push_str(direction);
            self.sql.push_str(", ");
        }
        self.sql.push_str(key);
        self.sql.push_str(direction);
        Ok(())
    }
}

/// The attribute that a path names, and what of the path is left inside it.
fn find(path: &AttributePath, scope: Scope) -> Result<(&'static Attribute, &[String]), String> {
    let names = path.names();
    let all = || scope.attributes.iter().chain(scope.common);
    for attribute in all() {
        let parts: Vec<&str> = attribute.name.split('.').collect();
        let (Some(head), Some(rest)) = (names.get(..parts.len()), names.get(parts.len()..)) else { continue };
        let same = head.iter().zip(&parts).all(|(name, part)| name.eq_ignore_ascii_case(part));
        let may_go_on = rest.is_empty() || matches!(attribute.kind, Kind::Json | Kind::Many(_));
        if same && may_go_on {
            return Ok((attribute, rest));
        }
    }
    let spelled = names.join(".");
    let hint = nearest(&spelled, all().map(|attribute| attribute.name));
    let hint = match hint {
        Some(near) => format!("; did you mean {near}?"),
        None => format!(": there are {}", all().map(|attribute| attribute.name).collect::<Vec<_>>().join(", ")),
    };
    Err(format!("there is no attribute {spelled} to filter or sort by{hint}"))
}

/// The literal as the column holds it.
fn parameter(attribute: &Attribute, op: Op, literal: &Literal) -> Result<Value, String> {
    let name = attribute.name;
    let part = matches!(op, Op::Co | Op::Sw | Op::Ew);
    let order = matches!(op, Op::Gt | Op::Ge | Op::Lt | Op::Le);
    let number = |number: &serde_json::Number| {
        number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Real)).unwrap_or(Value::Null)
    };
    match (&attribute.kind, literal) {
        (_, Literal::Null) if !part && !order => Ok(Value::Null),
        (Kind::Text | Kind::Exact | Kind::Json, Literal::String(text)) => Ok(Value::Text(text.clone())),
        (Kind::Flag, Literal::Bool(flag)) if !part && !order => Ok((*flag).into()),
        (Kind::Json, Literal::Bool(flag)) if !part && !order => Ok((*flag).into()),
        (Kind::Integer | Kind::Json, Literal::Number(n)) if !part => Ok(number(n)),
        (Kind::Time | Kind::TimeOf { .. }, Literal::String(text)) if !part => Timestamp::parse(text)
            .map(Value::from)
            .ok_or_else(|| format!("{name} is compared with a date-time like \"2027-01-31T12:00:00Z\"")),
        (Kind::Flag, _) => Err(format!("{name} is compared by eq or ne with true or false")),
        (Kind::Time | Kind::TimeOf { .. }, _) => {
            Err(format!("{name} is compared by eq, ne, gt, ge, lt or le with a date-time in quotes"))
        }
        (Kind::Integer, _) => Err(format!("{name} is compared by eq, ne, gt, ge, lt or le with a number")),
        _ => Err(format!("{name} is compared with a text in quotes")),
    }
}
