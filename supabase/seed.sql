-- What a fresh development database holds; `supabase db reset` runs it after the migrations.
-- One organization with a WhatsApp account and a template, example prices, and a draft with a few contacts.
-- Sender and numbers are made up. Running it a second time changes nothing.

do $seed$
declare
    _organization_id uuid;
    _account_id uuid;
    _template_id uuid;
    _campaign_id uuid;
begin
    if exists (select from public.organizations) then
        raise notice 'seed: this database has organizations already, so nothing was added';
        return;
    end if;

    -- Examples, not anybody's price list: per delivered message, by category and the beginning of the number.
    insert into public.rates (provider, category, prefix, currency, rate, charge_on)
    values
        ('whatsapp', 'MARKETING', '+', 'USD', 0.060000, 'delivered'),
        ('whatsapp', 'MARKETING', '+55', 'USD', 0.062500, 'delivered'),
        ('whatsapp', 'MARKETING', '+1', 'USD', 0.025000, 'delivered'),
        ('whatsapp', 'UTILITY', '+', 'USD', 0.008000, 'delivered'),
        ('whatsapp', 'AUTHENTICATION', '+', 'USD', 0.030000, 'delivered'),
        ('twilio', 'MARKETING', '+', 'USD', 0.007900, 'accepted')
    on conflict do nothing;

    _organization_id := public.create_organization('Example Stores');
    _account_id := public.upsert_account(
        _organization_id, 'whatsapp', '100000000000001', 'Example Stores on WhatsApp', '{"maximum_rate": 80, "limit_group": "Example portfolio"}'
    );
    _template_id := public.upsert_template(
        _organization_id, 'whatsapp', 'spring_offer', 'en',
        '{"category": "MARKETING", "variables": ["first_name"], "body": "Hello {{1}}, everything is 20 % off until Sunday."}'
    );
    _campaign_id := public.create_campaign(
        _organization_id, 'Spring offer', _account_id, _template_id,
        '{"window_start": "09:00", "window_end": "20:00", "window_time_zone": "America/Sao_Paulo"}'
    );
    perform public.add_recipients(
        _campaign_id,
        '[
            {"recipient": "+5511900000001", "variables": {"first_name": "Ana"}},
            {"recipient": "+5511900000002", "variables": {"first_name": "Bruno"}},
            {"recipient": "+5511900000003", "variables": {"first_name": "Carla"}},
            {"recipient": "+15005550001", "variables": {"first_name": "Dana"}},
            {"recipient": "+999000000001", "variables": {"first_name": "Eve"}}
        ]'
    );
end;
$seed$;
