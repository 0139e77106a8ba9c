-- A resource server asks whether a token is good: by its checksum.
\set n random(1, :most)
SELECT a.id, a.expires, a.scope, u.username, p.client_id FROM oauth2_provider_accesstoken a
  LEFT JOIN auth_user u ON u.id = a.user_id JOIN oauth2_provider_application p ON p.id = a.application_id
 WHERE a.token_checksum = encode(sha256(convert_to('a' || :n, 'UTF8')), 'hex');
