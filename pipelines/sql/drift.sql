-- Has the information of the modalities changed between two dates?
--
-- The mean of each part in both tables, its change, the change's standard error, and
-- their ratio z: |z| > 3 is significant. Annotate both tables with the same bundle. Rows
-- without values or without a modality are left out; the last columns count them.
--
-- Of two modalities. On a table of more, whose r, u1, u2 and s do not add up to i, the query
-- ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f drift.sql --table earlier=day=2026-01-31 --table later=day=2026-02-01

WITH earlier_of_two AS (
    SELECT *, NULL AS u3 FROM earlier
), later_of_two AS (
    SELECT *, NULL AS u3 FROM later
), earlier_complete AS (
    SELECT
        r, s,
        CASE WHEN r IS NOT NULL THEN u1 END AS u1,
        CASE WHEN r IS NOT NULL THEN u2 END AS u2
    FROM earlier_of_two
), later_complete AS (
    SELECT
        r, s,
        CASE WHEN r IS NOT NULL THEN u1 END AS u1,
        CASE WHEN r IS NOT NULL THEN u2 END AS u2
    FROM later_of_two
), earlier_p AS (
    SELECT lsmi_summary(r, u1, u2, s) AS e FROM earlier_complete
), later_p AS (
    SELECT lsmi_summary(r, u1, u2, s) AS l FROM later_complete
), parts AS (
    SELECT
        unnest(['r', 'u1', 'u2', 's']) AS part,
        unnest([e['r'], e['u1'], e['u2'], e['s']]) AS earlier,
        unnest([l['r'], l['u1'], l['u2'], l['s']]) AS later,
        unnest([e['r_std_error'], e['u1_std_error'], e['u2_std_error'], e['s_std_error']]) AS earlier_error,
        unnest([l['r_std_error'], l['u1_std_error'], l['u2_std_error'], l['s_std_error']]) AS later_error,
        e['nulls'] AS earlier_left_out,
        l['nulls'] AS later_left_out
    FROM earlier_p CROSS JOIN later_p
), changes AS (
    SELECT
        part, earlier, later, later - earlier AS change,
        sqrt(earlier_error * earlier_error + later_error * later_error) AS std_error,
        earlier_left_out, later_left_out
    FROM parts
)
SELECT
    part,
    round(earlier, 4) AS earlier,
    round(later, 4) AS later,
    round(change, 4) AS change,
    round(std_error, 4) AS std_error,
    round(change / nullif(std_error, 0.0), 1) AS z,
    earlier_left_out,
    later_left_out
FROM changes
ORDER BY CASE part WHEN 'r' THEN 1 WHEN 'u1' THEN 2 WHEN 'u2' THEN 3 ELSE 4 END;
