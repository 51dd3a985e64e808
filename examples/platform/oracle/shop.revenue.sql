-- table orders from ../data/orders.tsv: product STRING, quantity INT, price DECIMAL(10, 2), ordered TIMESTAMP(3)
SELECT product, date_bin(INTERVAL '1 hour', ordered) AS hour_start, count(*) AS orders, CAST(sum(price * quantity) AS DECIMAL(38, 2)) AS revenue
FROM orders GROUP BY product, date_bin(INTERVAL '1 hour', ordered)
