"""Each setting of LiteLLM's router has been read, so that none overrides the policy unseen."""

from __future__ import annotations

import json
import subprocess

import pytest

from routectl.export.litellm import POLICY_OVERRIDES

pytestmark = pytest.mark.slow

WRITTEN = """
    tiers classifier_type classifier_plugin classifier_plugin_timeout_ms classifier_fallback
    default_model
"""
NEEDS_ANOTHER_CLASSIFIER = """
    llm_v2_config local_heuristic heuristic_v2_artifact heuristic_v2_success_threshold
    classifier_llm_config capability_classifier_config opensource_classifier_config
    heuristic_first_max_tier hybrid_boundary_margin classification_prompt classification_examples
    classifier_context_window_size classifier_context_budget_chars classification_mode
    classifier_context_per_turn_chars classifier_context_include_assistant_turns tier_labels
    tier_boundaries reasoning_override_min_score token_thresholds dimension_weights
    custom_dimensions code_keywords reasoning_keywords technical_keywords simple_keywords
    custom_technical_keywords housekeeping_patterns reminder_markers
"""
OFF_BY_DEFAULT = """
    tier_model_configs enable_non_reasoning_tier tier_definitions fallback_tier
    return_raw_model_name adaptive adaptive_weights tier_distance_penalty adaptive_eligible
    keyword_tier_rules stall_escalation_enabled stall_escalation_window
    stall_escalation_repeat_threshold plan_mode_min_tier plan_mode_patterns
    enable_context_window_escalation context_window_escalation_buffer modality_routing
    modality_pin_override semantic_keyword_matching embedding_model match_threshold
    cache_aware_routing cache_aware_routing_output_tokens cache_aware_routing_timeout_ms
    session_affinity session_affinity_ttl_seconds plugins
"""
SAME_MODEL = "deployment_affinity"
"""Keeps a session on one deployment of the model that was chosen."""

READ = {
    *POLICY_OVERRIDES,
    *" ".join((WRITTEN, NEEDS_ANOTHER_CLASSIFIER, OFF_BY_DEFAULT, SAME_MODEL)).split(),
}

CODE = """
import json
from litellm.router_strategy.complexity_router.config import ComplexityRouterConfig
fields = ComplexityRouterConfig.model_fields
print(json.dumps({name: field.default is True for name, field in fields.items()}))
"""


def test_no_setting_of_litellm_s_router_is_unread_and_none_that_is_on_is_left_on(
    litellm_python: str,
) -> None:
    done = subprocess.run(
        [litellm_python, "-c", CODE], capture_output=True, text=True, check=True, timeout=120
    )
    is_on = json.loads(done.stdout.splitlines()[-1])
    assert set(is_on) - READ == set()
    assert set(POLICY_OVERRIDES) <= set(is_on)
    assert {name for name, on in is_on.items() if on} <= {*POLICY_OVERRIDES, SAME_MODEL}
