"""CCAvenue: the guest pays at the vendor's page; what became of it is asked for."""

from sync.money.ccavenue.account import CCAvenueAccount
from sync.money.ccavenue.orders import CCAvenueOrders
from sync.money.ccavenue.pull import CCAvenuePull
from sync.money.ccavenue.pusher import CCAvenue

__all__ = ["CCAvenue", "CCAvenueAccount", "CCAvenueOrders", "CCAvenuePull"]
