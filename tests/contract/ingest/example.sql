-- A small fleet that has something of everything: an outdated host that pulled and did not
-- recreate, a silent and degraded one, a tag that is gone, a local build, a refused message.
INSERT INTO fleet.hosts (host_id, site, host, hostname, labels, place) VALUES
  (1, 'fra1', 'web-1', 'web-1.example.org', '{"env": "prod"}', 'dc1/rack-1'),
  (2, 'fra1', 'web-2', 'web-2.example.org', '{"env": "test"}', 'dc1/rack-2');
INSERT INTO fleet.host_state (host_id, content, images, last_seen_at, silent_at, degraded)
  VALUES (1, decode(repeat('00', 32), 'hex'), 4, now(), now() + interval '1 h', ''),
         (2, decode(repeat('01', 32), 'hex'), 1, now() - interval '1 d', now(), 'no engine');
INSERT INTO fleet.image_refs (ref_id, reference, registry, repository, tag, policy) VALUES
  (1, 'docker.io/library/nginx:1.27', 'docker.io', 'library/nginx', '1.27', 'ask'),
  (2, 'docker.io/library/redis:7', 'docker.io', 'library/redis', '7', 'ask'),
  (3, 'docker.io/library/mine:1', 'docker.io', 'library/mine', '1', 'ask');
INSERT INTO fleet.answers
  (ref_id, remote_digest, remote_since, checked_at, attempted_at, next_check_at) VALUES
  (1, 'sha256:3214ea492f571c7024f4403bca6d3a088aa62018477b5daa4714cb5ccf59ae90', now() - interval '20 d', now() - interval '2 d', now() - interval '2 d', now());
INSERT INTO fleet.answers (ref_id, gone, checked_at, attempted_at, failing_since, error, failures)
  VALUES (2, true, now(), now(), now(), 'no such tag', 1);
INSERT INTO fleet.answers (ref_id) VALUES (3);
INSERT INTO fleet.remote_history (ref_id, valid_from, valid_to, digest) VALUES
  (1, now() - interval '90 d', now() - interval '1 h', 'sha256:8a8ec8914fb819489b66e4904f19672a5792e26145c074917e745166af873d28'),
  (1, now() - interval '1 h', NULL, 'sha256:3214ea492f571c7024f4403bca6d3a088aa62018477b5daa4714cb5ccf59ae90');
INSERT INTO fleet.comparisons
  (comparison_id, ref_id, image_id, repo_digests, platform, verdict, reason, verdict_since) VALUES
  (1, 1, 'sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b', ARRAY['sha256:8a8ec8914fb819489b66e4904f19672a5792e26145c074917e745166af873d28'], 'linux/amd64', 'outdated', 'platform_differs', 'epoch'),
  (2, 1, 'sha256:d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35', ARRAY['sha256:3214ea492f571c7024f4403bca6d3a088aa62018477b5daa4714cb5ccf59ae90'], 'linux/amd64', 'current', 'digest_match', 'epoch'),
  (3, 2, 'sha256:4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce', ARRAY['sha256:535664ca3679df9d5cea67dd8dc771aecf52398e6d948103c4c7a3f8df4e833e'], 'linux/amd64', 'missing', 'not_found', 'epoch'),
  (4, 3, 'sha256:4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a', '{}', 'linux/amd64', 'local', 'no_repo_digest', 'epoch');
INSERT INTO fleet.host_images (host_id, comparison_id, since, running, tagged, shared, containers)
  VALUES (1, 1, now() - interval '30 d', 1, false, true, ARRAY['web']),
         (1, 2, now(), 0, true, true, NULL), (1, 3, now(), 0, true, false, NULL),
         (1, 4, now(), 0, true, false, NULL), (2, 1, now(), 0, true, false, NULL);
INSERT INTO fleet.host_changes (occurred_at, host_id, ref_id, old_comparison_id, new_comparison_id)
  VALUES (now(), 1, 1, NULL, 2);
INSERT INTO fleet.registry_states (registry, credential, rate_limit, observed_at)
  VALUES ('docker.io', 'anonymous', 100, now());
INSERT INTO fleet.dead_letters VALUES (1, 1, now(), 'ingest', 's', 'S', 1, 'bad', 'why', 'x');
INSERT INTO fleet.trend SELECT now(), hosts, silent_hosts, images, current, outdated, pinned,
  local, missing, unknown, stale FROM ops.fleet_summary;

-- Counted as maintenance counts.
INSERT INTO fleet.counted (hosts, silent_hosts, degraded_hosts, images, current, outdated, pinned,
  local, missing, unknown, stale)
SELECT hosts, silent_hosts, degraded_hosts, images, current, outdated, pinned, local, missing, unknown,
  stale FROM ops.fleet_summary;
INSERT INTO fleet.troubled_hosts SELECT host_id FROM fleet.hosts_now WHERE state <> 'well';
INSERT INTO fleet.place_counts SELECT * FROM fleet.place_counts_now;
INSERT INTO fleet.worst_hosts
SELECT host_id, outdated, unknown, outdated_running FROM fleet.host_counts_now WHERE outdated > 0;
INSERT INTO fleet.longest_outdated
SELECT hi.host_id, hi.comparison_id
FROM fleet.host_images AS hi
JOIN fleet.comparisons AS c ON c.comparison_id = hi.comparison_id
WHERE c.verdict = 'outdated';
