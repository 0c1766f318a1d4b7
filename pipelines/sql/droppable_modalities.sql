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
-- that lack a modality are left out.

WITH each AS (
    SELECT
        unnest(['x1', 'x2', 'x3']) AS dropped,
        unnest([i_23, i_13, i_12]) AS others,
        unnest([u1, u2, u3]) AS alone,
        i_123
    FROM annotated
    WHERE i_123 IS NOT NULL
), costs AS (
    SELECT dropped, others, alone, i_123 - others AS lost FROM each
)
SELECT
    dropped,
    count(*) AS rows,
    round(avg(others), 3) AS of_the_others,
    round(avg(lost), 3) AS cost,
    round(stddev(lost) / sqrt(count(*)), 3) AS "cost ±",
    round(avg(alone), 3) AS alone,
    round(avg(lost - alone), 3) AS together,
    round(avg(CASE WHEN lost > 0.5 THEN 1.0 ELSE 0.0 END), 3) AS rows_that_lose
FROM costs
GROUP BY dropped
ORDER BY round(avg(lost), 3), dropped;
