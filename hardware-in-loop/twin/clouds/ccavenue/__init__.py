"""A payment page that speaks CCAvenue's forms and its status tracker; unverified, from cloud.md 2.3."""

from twin.clouds.ccavenue.cloud import CCAvenueCloud
from twin.clouds.ccavenue.store import ACCESS_CODE, MERCHANT_ID, WORKING_KEY, CCAvenueStore, Status

__all__ = ["ACCESS_CODE", "MERCHANT_ID", "WORKING_KEY", "CCAvenueCloud", "CCAvenueStore", "Status"]
