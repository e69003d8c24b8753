"""Audits: what is wrong with a study, its results, or the files of someone else's."""

from thalweg.audit.audit import audit_folder, audit_plan, audit_study
from thalweg.audit.finding import Finding, Severity
from thalweg.audit.registry import CHECKS

__all__ = ["CHECKS", "Finding", "Severity", "audit_folder", "audit_plan", "audit_study"]
