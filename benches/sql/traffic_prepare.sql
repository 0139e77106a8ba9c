-- The sessions that the traffic refreshes, in an order that is not that of the tables.
CREATE TABLE live (n bigint PRIMARY KEY, refresh_id bigint NOT NULL);
INSERT INTO live SELECT row_number() OVER (ORDER BY md5(r.id::text)), r.id
FROM oauth2_provider_refreshtoken r JOIN oauth2_provider_accesstoken a ON a.id = r.access_token_id
WHERE r.revoked IS NULL AND a.expires > $lifetime$
ORDER BY 1 LIMIT 50000;
ANALYZE live;
