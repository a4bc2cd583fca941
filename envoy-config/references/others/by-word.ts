/** Names of fields that name no resource, whatever message they stand in, by what they are instead. What sounds like a resource is not here, but field by field. */
export const OTHER_WORDS: Readonly<Record<string, string>> = {
  'a header, a cookie or a parameter, or what is in one': `
    additional_request_headers_to_log additional_response_headers_to_log additional_response_trailers_to_log api_version_header
    authentication_header cookie cookie_domain forward_payload_header forward_username_header from_cookies from_params header header_key
    header_name header_prefix header_value_prefix host_rewrite host_rewrite_header host_rewrite_literal http_header_name
    ignored_query_parameters internal_only_headers override_auto_sni_header query query_param query_parameter_name remove
    request_headers_to_remove request_id_header response_headers_to_copy response_headers_to_remove response_size_header
    response_trailer_prefix strict_check_headers token_header value_prefix verification_status_header via`,
  'what cross-origin requests and cookies are told': `
    allow_headers allow_methods bearer_token code_verifier expose_headers id_token max_age oauth_expires oauth_hmac oauth_nonce
    refresh_token`,
  'what is matched, or what it becomes': `
    address_prefix address_suffix allow_content_types allowed_clients allowed_redirect_domains application_protocols cel_expr_string
    contains contains_match default_value domains element_separator exact exact_match expression host hosts interface map prefix
    prefix_match prefix_rewrite regex request_path request_path_prefix separator server_names string_key string_match string_value
    substitution suffix suffix_match text transport_protocol value values`,
  'a path, a host or a link: of a request, an answer or the node': `
    authority body content_type content_types default_content_type default_file default_host_for_http_10 delete get host_redirect
    hostname original_request_uri patch path path_override path_prefix path_redirect path_rewrite path_separated_prefix path_template
    path_template_rewrite paths post post_path proxy_host put redirect_uri response_body scheme_redirect scheme_to_overwrite server_name
    server_urls sni tls_server_name uri url workload_trust_domain`,
  'a word of the protocol that passes through': `
    alpn_protocols always_extract_attributes argument_path cdn_id client_connection_options commands connection_options custom_commands
    description extraction_by_method extractions_by_method fallback_protocol_version field_restrictions group host_name input_schema
    key_formatter max_supported_protocol_version message_restrictions method method_configs method_name method_names method_restrictions
    request_extraction_by_field request_field_extractions request_field_restrictions response_extraction_by_field
    response_field_restrictions retry_on title upgrade_type version`,
  'a key, or a name, of metadata, filter state or an attribute': `
    attributes bootstrap_metadata_labels_key claims_metadata_namespace connection_attributes context_extensions dynamic_metadata
    dynamic_metadata_namespace dynamic_parameters factory_key failed_status_in_metadata fallback_keys_subset field filter
    filter_metadata filter_state_name_suffix filter_state_objects_to_log group_metadata_key header_in_metadata key keys
    mapped_request_attributes mapped_response_attributes metadata_context_namespaces metadata_key metadata_namespace new_tag_value
    object_key override_metadata_namespace params payload_in_metadata property_name proto_descriptor_typed_metadata redirect_enabled_key
    request_attributes request_id_metadata_key response_attributes response_code_details token_metadata_key typed typed_filter_metadata
    typed_metadata_context_namespaces untyped`,
  'of statistics, logs and traces': `
    alt_stat_name category collector_hostname fixed_value format identifier literal_proxy_name log_name metric_name
    metric_names_for_computing_utilization metrics_namespace observability_name operation origin rules_stat_prefix segment_name
    shadow_rules_stat_prefix stat_prefix stats_prefix tag tag_name tap_id text_format value_format`,
  'a key of the runtime': `
    abort_grpc_status_runtime abort_http_status_runtime abort_percent_runtime delay_duration_runtime delay_percent_runtime disable_key
    max_active_faults_runtime response_rate_limit_percent_runtime runtime_key runtime_key_prefix`,
  'a file, or something else of the node: that is a privilege': `
    access_log access_token_file actor_token_path anon_db_path asn_db_path bpf_program_path cgroup_path city_db_path country_db_path
    descriptor_path environment_variable event_log_path file_path_prefix filename host_env_keys isp_db_path library
    network_namespace_filepath package_cpaths package_paths profile_path proto_descriptor storage_buffer_path subject_token_path`,
  'an address, or how one is found': `
    address canonical_suffixes client_ip host_id_format ipv4_address ipv6_address named_port node_id_format resolver_name
    tenant_id_format`,
  'a kind of resource, not one': 'type_descriptor type_url type_urls',
  'a credential, or what one is asked for': `
    access_key_id access_token account actor_token_type arn assertion_audience audience audiences auth_scopes authority_selector
    authorization authorization_token certificate_name claim_name client client_id credentials_factory_name credentials_profile
    external_id google_refresh_token issuer json_key profile profile_arn realm region requested_token_type role_arn role_session_name
    scope scopes session_token space_delimited_claims subject_token_type trust_anchor_arn`,
  'of TLS': 'cipher_suites ecdh_curves oid signature_algorithms verify_certificate_hash verify_certificate_spki',
  'of a limit, told to who counts': `
    bucket_id_builder descriptor_key descriptor_value domain request_type tenant tenant_configs`,
  'of where a client is': `
    anon anon_hosting anon_proxy anon_tor anon_vpn apple_private_relay asn asn_org city country ip_tag_name is_anon isp sub_zone zone`,
  'the key of a part of the same message': `
    args entry filter_chain_name flags named_filter_chains override_id per_filter_config policies requirement_map requirement_name
    requires template_id typed_extension_protocol_options typed_per_filter_config`,
  'a program or its text, or what of it is meant': `
    allowed_capabilities bridge_name early_header_mutation_name extension_name filter_name formatter_name handshaker_name
    header_formatter_name health_checker_name inline_code input_name key_values lb_policy_name logger_name matcher_name root_id runtime
    sink_name source_codes specifier_name tracer_name transport_socket_name validator_name`,
  'of an Envoy itself': 'client_features user_agent_name user_agent_version',
  'data that is written here': 'downstream_nodes inline_string sha256',
};
