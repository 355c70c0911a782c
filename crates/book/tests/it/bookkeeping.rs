//! The arithmetic of a book against exact fractions, and against examples that others published.

use std::str::FromStr;

use num_rational::BigRational;
use proptest::prelude::*;
use rust_decimal::Decimal;
use tallybook::book::bookkeeping::{CashMove, Holding, HoldingFill, Unholdable, currency_scale};

use crate::support::decimal;

#[test]
fn money_has_the_decimals_of_its_minor_unit() {
    // ISO 4217:2015, list one.
    let scales = ["USD", "EUR", "JPY", "KRW", "KWD", "BHD", "CLF", "BTC", "usd", ""].map(currency_scale);
    assert_eq!(scales, [2, 2, 0, 0, 3, 3, 4, 8, 8, 8]);
}

fn fill(quantity: &str, price: &str) -> HoldingFill {
    HoldingFill {
        quantity: decimal(quantity),
        price: decimal(price),
        commission: Decimal::ZERO,
        fees: Decimal::ZERO,
    }
}

/// Folds fills; returns the position, the last profit, and the sum of the cash.
fn folded(fills: &[HoldingFill], scale: u32) -> (Holding, Decimal, Decimal) {
    fills.iter().fold(Default::default(), |(holding, _, cash): (Holding, Decimal, Decimal), fill| {
        let (holding, moved) = holding.after(fill, scale).unwrap();
        (holding, moved.realized_pnl, cash + moved.cash)
    })
}

/// `test_position_realized_pnl_with_interleaved_order_sides` in nautilus_trader's tests/unit_tests/model/test_position.py: five
/// fills, each with a commission of 0.1 %. Its realized profit is net of commissions.
#[test]
fn interleaved_fills_agree_with_nautilus_trader() {
    let with_commission = |quantity, price| {
        let fill = fill(quantity, price);
        let commission = (fill.quantity.abs() * fill.price * decimal("0.001")).normalize();
        HoldingFill { commission, ..fill }
    };
    let fills = [
        with_commission("12", "10000"),
        with_commission("17", "9999"),
        with_commission("-9", "10001"),
        with_commission("3", "10003"),
        with_commission("-4", "10005"),
    ];
    let published = [
        ("12", "10000", "-120"),
        ("29", "9999.413793103447", "-289.983"),
        ("20", "9999.413793103447", "-365.71613793"),
        ("23", "9999.88155922039", "-395.72513793"),
        ("19", "9999.88155922039", "-415.27137481"),
    ];
    let mut commissions = Decimal::ZERO;
    for (count, (quantity, average, net)) in (1..).zip(published) {
        let (holding, ..) = folded(&fills[..count], 8);
        commissions += fills[count - 1].commission;
        assert_eq!(holding.quantity, decimal(quantity));
        // It averages in binary doubles of 16 digits, where this book keeps 15.
        assert!((holding.average_cost - decimal(average)).abs() < decimal("0.00000000001"), "{holding:?}");
        assert_eq!(holding.realized_pnl - commissions, decimal(net));
    }
}

/// `test_calculate_pnl_for_short_position_winning` and `…_loss`, and `test_position_closed_and_reopened`, in the same file.
#[test]
fn shorts_and_a_reopened_position_agree_with_nautilus_trader() {
    assert_eq!(folded(&[fill("-10.15", "10500"), fill("10.15", "10390")], 8).1, decimal("1116.5"));
    assert_eq!(folded(&[fill("-10", "10500"), fill("10", "10670.50")], 8).1, decimal("-1705"));

    let fills = [fill("150000", "1.00001"), fill("-150000", "1.00011"), fill("150000", "1.00012")];
    let (holding, last, _) = folded(&fills, 2);
    assert_eq!(
        (holding.quantity, holding.average_cost, last),
        (decimal("150000"), decimal("1.00012"), Decimal::ZERO)
    );
    assert_eq!(holding.unrealized_pnl(decimal("1.00030"), 2), Ok(decimal("27")));
}

/// `LastTradeProfit_*` in Lean's Tests/Common/Securities/SecurityPortfolioModelTests.cs: 100 units at 50, filled at 100 with a
/// fee of 1, which is not part of the profit.
#[test]
fn closing_and_flipping_agree_with_lean() {
    let cases = [
        ("100", "-50", "2500", "50", "50"),
        ("100", "-100", "5000", "0", "0"),
        ("100", "-200", "5000", "-100", "100"),
        ("-100", "-100", "0", "-200", "75"),
        ("-100", "100", "-5000", "0", "0"),
        ("-100", "200", "-5000", "100", "100"),
    ];
    for (held, filled, profit, left, average) in cases {
        let opened = fill(held, "50");
        let (holding, last, cash) =
            folded(&[opened, HoldingFill { fees: 1.into(), ..fill(filled, "100") }], 2);
        assert_eq!(last, decimal(profit), "{held} {filled}");
        assert_eq!((holding.quantity, holding.average_cost), (decimal(left), decimal(average)));
        assert_eq!(cash, -(decimal(held) * decimal("50") + decimal(filled) * decimal("100") + decimal("1")));
    }
}

#[test]
fn money_and_averages_are_rounded_half_to_even() {
    let (holding, ..) = folded(&[fill("1", "0.125"), fill("-1", "0.13")], 2);
    assert_eq!(holding.realized_pnl, decimal("0"), "0.005");
    let (holding, ..) = folded(&[fill("1", "0.125"), fill("-1", "0.14")], 2);
    assert_eq!(holding.realized_pnl, decimal("0.02"), "0.015");
    let (holding, ..) = folded(&[fill("1", "0"), fill("2", "1")], 2);
    assert_eq!(holding.average_cost, decimal("0.666666666666667"));
    let (holding, ..) = folded(&[fill("1", "1.00000000000000"), fill("1", "1.00000000000001")], 2);
    assert_eq!(holding.average_cost, decimal("1"), "1.000000000000005");
    let (holding, ..) = folded(&[fill("1", "1.00000000000001"), fill("1", "1.00000000000002")], 2);
    assert_eq!(holding.average_cost, decimal("1.00000000000002"), "1.000000000000015");
    let (holding, ..) = folded(&[fill("1", "999999999999999"), fill("1", "999999999999998")], 2);
    assert_eq!(holding.average_cost, decimal("999999999999998"), "999999999999998.5");
}

#[test]
fn a_quantity_of_more_digits_than_a_double_holds_is_refused() {
    let (held, _) = Holding::default().after(&fill("1000000000000", "1"), 2).unwrap();
    assert_eq!(held.after(&fill("0.001", "1"), 2), Err(Unholdable { column: "quantity" }));
    assert!(held.after(&fill("0.01", "1"), 2).is_ok());
}

/// An independent model: fractions, rounded by trying one scale after the other.
#[derive(Clone, Debug)]
struct Model {
    quantity: BigRational,
    average: BigRational,
    realized: BigRational,
}

fn fraction(value: Decimal) -> BigRational {
    let whole = BigRational::from_str(&value.mantissa().to_string()).unwrap();
    whole / power_of_ten(value.scale())
}

fn power_of_ten(scale: u32) -> BigRational {
    BigRational::from_str(&format!("1{}", "0".repeat(scale as usize))).unwrap()
}

fn zero() -> BigRational {
    fraction(Decimal::ZERO)
}

fn half_even(value: &BigRational, scale: u32) -> BigRational {
    let scaled = value * power_of_ten(scale);
    let floor = scaled.floor();
    let half = fraction(decimal("0.5"));
    let rest = &scaled - &floor;
    let one = fraction(Decimal::ONE);
    let is_odd = (&floor / (&one + &one)).fract() != zero();
    let up = rest > half || (rest == half && is_odd);
    (if up { floor + one } else { floor }) / power_of_ten(scale)
}

fn fifteen_digits(value: &BigRational) -> BigRational {
    let digits = |scale: u32| value.numer() * power_of_ten(scale).numer() / value.denom();
    let limit = power_of_ten(15).to_integer();
    let scales = (0..=28).rev().filter(|&scale| digits(scale) < limit);
    let mut rounded = scales.map(|scale| (scale, half_even(value, scale)));
    rounded.find(|(scale, rounded)| (rounded * power_of_ten(*scale)).to_integer() < limit).unwrap().1
}

fn absolute(value: &BigRational) -> BigRational {
    if *value < zero() { -value } else { value.clone() }
}

impl Model {
    fn after(&self, fill: &HoldingFill, scale: u32) -> (Self, BigRational, BigRational) {
        let (d, p) = (fraction(fill.quantity), fraction(fill.price));
        let quantity = &self.quantity + &d;
        let costs = fraction(fill.commission) + fraction(fill.fees);
        let cash = half_even(&-(&d * &p + costs), scale);
        if &self.quantity * &d >= zero() {
            let cost = absolute(&self.quantity) * &self.average + absolute(&d) * &p;
            let average = fifteen_digits(&(cost / absolute(&quantity)));
            return (Self { quantity, average, realized: self.realized.clone() }, zero(), cash);
        }
        let crosses = &quantity * &self.quantity < zero();
        let closed = if crosses { self.quantity.clone() } else { -d };
        let profit = half_even(&(closed * (&p - &self.average)), scale);
        let average = if quantity == zero() {
            zero()
        } else if crosses {
            p
        } else {
            self.average.clone()
        };
        let realized = &self.realized + &profit;
        (Self { quantity, average, realized }, profit, cash)
    }
}

fn fills() -> impl Strategy<Value = Vec<HoldingFill>> {
    let amount = |most: i64, scale: u32| (-most..=most).prop_map(move |digits| Decimal::new(digits, scale));
    let quantity = prop_oneof![amount(20, 0), amount(5_000, 2), amount(100_000, 4)];
    let price = prop_oneof![amount(9_999, 2), amount(1_000_000, 5), amount(3, 0)];
    let one =
        (quantity, price, amount(500, 2), amount(50, 3)).prop_map(|(quantity, price, commission, fees)| {
            HoldingFill { quantity, price: price.abs(), commission, fees }
        });
    proptest::collection::vec(one.prop_filter("a quantity", |fill| !fill.quantity.is_zero()), 1..40)
}

fn scales() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(2), Just(3), Just(8)]
}

proptest! {
    #[test]
    fn every_step_equals_the_fold_of_exact_fractions(fills in fills(), scale in scales()) {
        let mut holding = Holding::default();
        let mut model = Model { quantity: zero(), average: zero(), realized: zero() };
        for fill in &fills {
            let (next, moved) = holding.after(fill, scale).unwrap();
            let (expected, profit, cash) = model.after(fill, scale);
            prop_assert_eq!(fraction(next.quantity), expected.quantity.clone());
            prop_assert_eq!(fraction(next.average_cost), expected.average.clone());
            prop_assert_eq!(fraction(next.realized_pnl), expected.realized.clone());
            prop_assert_eq!((fraction(moved.realized_pnl), fraction(moved.cash)), (profit, cash));
            (holding, model) = (next, expected);
        }
    }

    /// cash = C0 + Σ profit − quantity × average − Σ costs, but for the rounding of each step: half a unit of the currency for the
    /// cash, half a unit for the profit, and the 16th digit of the average for all that is held.
    #[test]
    fn cash_is_profit_less_what_is_held_and_costs(fills in fills(), scale in scales()) {
        let mut holding = Holding::default();
        let (mut cash, mut costs, mut allowed) = (zero(), zero(), zero());
        for fill in &fills {
            let (next, moved) = holding.after(fill, scale).unwrap();
            cash += fraction(moved.cash);
            costs += fraction(fill.commission) + fraction(fill.fees);
            let held = absolute(&(fraction(next.quantity) * fraction(next.average_cost)));
            allowed += fraction(Decimal::ONE) / power_of_ten(scale) + held / power_of_ten(14);
            let expected = fraction(next.realized_pnl) - fraction(next.quantity) * fraction(next.average_cost) - &costs;
            prop_assert!(absolute(&(&cash - expected)) <= allowed);
            holding = next;
        }
    }

    #[test]
    fn an_average_lies_between_the_prices_while_adding(fills in fills()) {
        let mut holding = Holding::default();
        let (mut least, mut most) = (Decimal::MAX, Decimal::MIN);
        for fill in fills {
            let fill = HoldingFill { quantity: fill.quantity.abs(), ..fill };
            holding = holding.after(&fill, 2).unwrap().0;
            (least, most) = (least.min(fill.price), most.max(fill.price));
            prop_assert!((least..=most).contains(&holding.average_cost));
        }
    }

    #[test]
    fn mirrored_sides_mirror_the_quantity_and_the_money(fills in fills(), scale in scales()) {
        let (mut holding, mut mirrored) = (Holding::default(), Holding::default());
        for fill in fills {
            let fill = HoldingFill { commission: Decimal::ZERO, fees: Decimal::ZERO, ..fill };
            let (next, moved) = holding.after(&fill, scale).unwrap();
            let (image, mirrored_move) = mirrored.after(&HoldingFill { quantity: -fill.quantity, ..fill }, scale).unwrap();
            prop_assert_eq!(image.quantity, -next.quantity);
            prop_assert_eq!(image.average_cost, next.average_cost);
            prop_assert_eq!(image.realized_pnl, -next.realized_pnl);
            prop_assert_eq!(mirrored_move, CashMove { realized_pnl: -moved.realized_pnl, cash: -moved.cash });
            (holding, mirrored) = (next, image);
        }
    }

    #[test]
    fn a_flip_equals_a_close_and_an_opening(fills in fills(), beyond in 1..10_000i64, price in 1..10_000i64) {
        let held = fills.iter().fold(Holding::default(), |holding, fill| holding.after(fill, 2).unwrap().0);
        prop_assume!(!held.quantity.is_zero());
        let beyond = Decimal::new(if held.quantity.is_sign_negative() { beyond } else { -beyond }, 2);
        let at_price = |quantity| HoldingFill { quantity, price: Decimal::new(price, 2), ..fill("1", "1") };
        let (flipped, _) = held.after(&at_price(beyond - held.quantity), 2).unwrap();
        let (closed, _) = held.after(&at_price(-held.quantity), 2).unwrap();
        prop_assert_eq!(closed.quantity, Decimal::ZERO);
        prop_assert_eq!(closed.after(&at_price(beyond), 2).unwrap().0, flipped);
    }

    #[test]
    fn a_fill_in_two_parts_adds_up_to_the_whole(fills in fills(), part in 1..99i64) {
        let mut rest = fills;
        let last = rest.pop().unwrap();
        let held = rest.iter().fold(Holding::default(), |holding, fill| holding.after(fill, 8).unwrap().0);
        let costs_nothing = |quantity| HoldingFill { quantity, commission: Decimal::ZERO, fees: Decimal::ZERO, ..last };
        let first = (last.quantity * Decimal::new(part, 2)).normalize();
        let (whole, _) = held.after(&costs_nothing(last.quantity), 8).unwrap();
        let (one, _) = held.after(&costs_nothing(first), 8).unwrap();
        let (both, _) = one.after(&costs_nothing(last.quantity - first), 8).unwrap();
        prop_assert_eq!(both.quantity, whole.quantity);
        let average_off = (fraction(both.average_cost) - fraction(whole.average_cost)) * power_of_ten(13);
        prop_assert!(absolute(&average_off) <= fraction(whole.average_cost + Decimal::ONE));
        let profit_off = absolute(&(fraction(both.realized_pnl) - fraction(whole.realized_pnl)));
        prop_assert!(profit_off <= fraction(decimal("0.00000002")) + absolute(&fraction(whole.realized_pnl)) / power_of_ten(13));
    }
}
