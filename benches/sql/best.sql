-- What a DBA who knows the tables would write: everything at once, refresh tokens before access tokens before ID tokens,
-- and pointers cleared last, where the access token stays. $now$, $grace$ and $lifetime$ are instants.
BEGIN;
DELETE FROM oauth2_provider_refreshtoken
 WHERE revoked <= $grace$ OR (revoked IS NULL AND access_token_id IS NULL);
DELETE FROM oauth2_provider_refreshtoken r USING oauth2_provider_accesstoken a
 WHERE a.id = r.access_token_id AND r.revoked IS NULL AND a.expires <= $lifetime$;
DELETE FROM oauth2_provider_accesstoken a
 WHERE a.expires < $now$ AND NOT EXISTS (SELECT FROM oauth2_provider_refreshtoken r WHERE r.access_token_id = a.id);
DELETE FROM oauth2_provider_idtoken i
 WHERE i.expires < $now$ AND NOT EXISTS (SELECT FROM oauth2_provider_accesstoken a WHERE a.id_token_id = i.id);
UPDATE oauth2_provider_accesstoken a SET source_refresh_token_id = NULL
 WHERE a.source_refresh_token_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM oauth2_provider_refreshtoken r WHERE r.id = a.source_refresh_token_id);
DELETE FROM oauth2_provider_grant WHERE expires < $now$;
COMMIT;
