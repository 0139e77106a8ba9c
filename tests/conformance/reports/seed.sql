-- An application that goes, tokens of every age, and a table of the project's own with a name like markup.
INSERT INTO oauth2_provider_application
    (client_id, redirect_uris, client_type, authorization_grant_type, client_secret, name, created, updated,
     skip_authorization, algorithm, post_logout_redirect_uris, hash_client_secret, allowed_origins, registration_source)
SELECT client_id, 'https://' || n || '.example/cb', 'public', 'authorization-code', '', name, now(), now(), false, '', '',
       true, '', ''
FROM (VALUES (1, 'legacy'' onclick=''alert(1)', '<b onmouseover=alert(1)>Legacy</b>'),
             (2, 'console <script>alert(1)</script>', 'Console')) AS application (n, client_id, name);

INSERT INTO oauth2_provider_accesstoken
    (token, token_checksum, expires, scope, application_id, created, updated, resource)
SELECT 'token' || n, 'checksum' || n,
       now() - (ARRAY['-1 day', '0', '2 hours', '3 days', '20 days', '60 days', '300 days', '900 days'])[1 + n % 8]::interval,
       '', 1 + n % 2, now() - interval '3 years', now(), '[]'
FROM generate_series(1, 400) AS n;

CREATE TABLE "consent<img src=x onerror=alert(1)>" (
    id bigint PRIMARY KEY,
    "app""><script>" bigint CONSTRAINT "fk]]>" REFERENCES oauth2_provider_application ON DELETE CASCADE
);
INSERT INTO "consent<img src=x onerror=alert(1)>" SELECT n, 1 FROM generate_series(1, 210) AS n;
