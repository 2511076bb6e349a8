/**
 * LXD's names for what a server can do beyond its first API. Clients test them, so only what works stands here.
 * A name is added in the commit that makes it true.
 */
export const API_EXTENSIONS = [
  'etag',
  'patch',
  'container_last_used_at',
  'container_exec_recording',
  'container_exec_user_group_cwd',
  'container_only_migration',
  'container_full',
  'entity_description',
  'event_lifecycle',
  'image_compression_algorithm',
  'image_create_aliases',
  'instance_all_projects',
  'instance_get_full',
  'instances',
  'network',
  'api_filtering',
  'operation_description',
  'profile_usedby',
  'projects',
  'resources',
  'resources_v2',
  'snapshot_expiry',
  'snapshot_expiry_creation',
  'warnings',
  'metrics',
  'instance_create_start',
] as const
