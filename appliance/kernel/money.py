"""Money is a whole number of a currency's smallest unit; nothing here is a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

# ISO 4217's exponents that are not 2. Babel carries CLDR's, which are for display and differ:
# it writes Serbian dinars, Iraqi dinars or Malagasy ariary without decimals that invoices have.
_EXPONENTS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0
    ),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
# Nine hundred trillion minor units: what JSON numbers and SQLite integers both carry exactly.
AMOUNT_MINOR_MAX = 2**53 - 1


def exponent(currency: str) -> int:
    """How many decimals the currency has; ValueError, a sentence, when there is no such one."""
    if len(currency) != 3 or not currency.isupper() or not _is_currency(currency):
        raise ValueError(f"{currency!r} is not a currency: use its three letters, such as EUR")
    return _EXPONENTS.get(currency, 2)


def _is_currency(letters: str) -> bool:
    # Babel comes with the first amount: 50 ms that a door need not wait for at a start.
    from babel.numbers import is_currency  # noqa: PLC0415

    return bool(is_currency(letters))


def minor(amount: str | int | Decimal, currency: str) -> int:
    """Turn an amount such as "12.50" into minor units; refuses what has no exact whole number."""
    places = exponent(currency)
    try:
        scaled = Decimal(amount).scaleb(places)
        whole = int(scaled)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{amount!r} is not an amount: write it like 12.50") from None
    if scaled != whole:
        raise ValueError(f"{amount} {currency} has more than {places} decimals")
    if abs(whole) > AMOUNT_MINOR_MAX:
        raise ValueError(f"{amount} {currency} is more than can be kept")
    return whole


def decimal_of(amount_minor: int, currency: str) -> Decimal:
    """Turn minor units back into an exact decimal amount."""
    return Decimal(amount_minor).scaleb(-exponent(currency))


def say_money(amount_minor: int, currency: str, locale: str) -> str:
    """Write an amount as a person of that locale expects it, with all the currency's decimals."""
    from babel.numbers import format_currency  # noqa: PLC0415 - see `_is_currency`

    places = exponent(currency)
    amount = decimal_of(amount_minor, currency)
    if places == 2:
        return format_currency(amount, currency, locale=locale, currency_digits=False)
    pattern = f"¤\u00a0#,##0{'.' if places else ''}{'0' * places}"
    return format_currency(amount, currency, pattern, locale=locale, currency_digits=False)


def split(amount_minor: int, parts: int) -> tuple[int, ...]:
    """Divide an amount into parts that differ by at most one unit and add up exactly."""
    assert parts > 0, "an amount is divided into at least one part"
    share, left = divmod(amount_minor, parts)
    return tuple(share + (1 if number < left else 0) for number in range(parts))
