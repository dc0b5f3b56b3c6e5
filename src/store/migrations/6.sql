-- Version 6: how decisions ended, by the hour.

-- How many token requests ended how in each hour: what charts are drawn from. It outlives the decisions themselves.
CREATE TABLE decision_tally (
    hour_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('issued', 'refused', 'failed')),
    count   INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (hour_ms, outcome)
) STRICT, WITHOUT ROWID;
INSERT INTO decision_tally (hour_ms, outcome, count)
    SELECT at_ms / 3600000 * 3600000, outcome, COUNT(*) FROM decision GROUP BY 1, 2;
