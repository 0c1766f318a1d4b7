-- Which of three modalities may be dropped, and at what cost?
--
-- For each modality the mean information of the two others, in nats, and what is lost
-- without it: the cost, with its standard error, what of it the modality holds alone (its
-- uniqueness) and what it holds only together with others, and the share of rows that lose
-- more than half a nat. The cheapest comes first.
--
--   lsmi-etl sql -f droppable_modalities.sql --table annotated=annotated.parquet
--
-- The table is one of three modalities, annotated with --columns i_12,i_13,i_23,i_123. Rows
-- without values or without a modality are left out of all numbers; left_out counts them.

WITH each AS (
    SELECT
        unnest(['x1', 'x2', 'x3']) AS dropped,
        unnest([i_23, i_13, i_12]) AS others,
        unnest([u1, u2, u3]) AS alone,
        i_123
    FROM annotated
), costs AS (
    SELECT
        dropped,
        CASE WHEN i_123 IS NOT NULL THEN others END AS others,
        CASE WHEN i_123 IS NOT NULL THEN alone END AS alone,
        i_123 - others AS lost
    FROM each
)
SELECT
    dropped,
    count(lost) AS rows,
    count(*) - count(lost) AS left_out,
    round(avg(others), 3) AS of_the_others,
    round(avg(lost), 3) AS cost,
    round(stddev(lost) / sqrt(count(lost)), 3) AS "cost ±",
    round(avg(alone), 3) AS alone,
    round(avg(lost - alone), 3) AS together,
    round(avg(CASE WHEN lost > 0.5 THEN 1.0 WHEN lost <= 0.5 THEN 0.0 END), 3) AS rows_that_lose
FROM costs
GROUP BY dropped
ORDER BY round(avg(lost), 3), dropped;
