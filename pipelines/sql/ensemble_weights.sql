-- How much say should a model of x1, a model of x2 and a model of the pair have on a class?
--
-- By the class's mean parts: a modality's uniqueness is its own model's, redundancy is
-- shared by both, synergy is the pair's; a part whose mean is negative counts as
-- nothing. The three weights of a class add up to one.
--
--   lsmi-etl sql -f ensemble_weights.sql --table annotated=digits.parquet
--
-- Columns: label is the table's own; write yours in its place.

WITH profiles AS (
    SELECT label, lsmi_summary(r, u1, u2, s) AS p FROM annotated GROUP BY label
), parts AS (
    SELECT
        label,
        greatest(p['u1'], 0.0) + greatest(p['r'], 0.0) / 2 AS first,
        greatest(p['u2'], 0.0) + greatest(p['r'], 0.0) / 2 AS second,
        greatest(p['s'], 0.0) AS pair
    FROM profiles
    WHERE p['rows'] > 0
)
SELECT
    label,
    round(first / (first + second + pair), 3) AS weight_x1,
    round(second / (first + second + pair), 3) AS weight_x2,
    round(pair / (first + second + pair), 3) AS weight_pair
FROM parts
WHERE first + second + pair > 0
ORDER BY label;
