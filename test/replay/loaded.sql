ANALYZE replay.campaign, replay.household, replay.coupon_product, replay.redemption, replay.product_case, replay.basket;
SELECT 'campaigns read', count(*), 27 FROM replay.campaign;
SELECT 'households of campaigns read', count(*), 6589 FROM replay.household;
SELECT 'products of coupons read', count(*), 116204 FROM replay.coupon_product;
SELECT 'redemptions read', count(*), 2102 FROM replay.redemption;
SELECT 'products bought, read', count(*), 840 FROM replay.product_case;
SELECT 'lines of bills with a redemption read', count(*), 79 FROM replay.basket;
