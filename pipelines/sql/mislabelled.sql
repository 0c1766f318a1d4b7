-- Which labels are probably wrong?
--
-- The samples whose label both modalities together speak against: the pair's
-- information about it, i12 = r + u1 + u2 + s, is below -1 nat, so that the models think
-- the label less than 1/e times as likely as its share among all samples. The worst
-- come first: look at them in this order.
--
--   lsmi-etl sql -f mislabelled.sql --table annotated=digits.parquet
--
-- Columns: id and label are the table's own; write yours in their place.

SELECT id, label, r + u1 + u2 + s AS i12, r + u1 AS i1, r + u2 AS i2
FROM annotated
WHERE r + u1 + u2 + s < -1
ORDER BY i12, id;
