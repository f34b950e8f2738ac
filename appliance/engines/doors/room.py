"""The doors engine as the composition root takes it."""

from __future__ import annotations

from typing import Final

from appliance.engines.doors import ahead, denylists, leases, masters, phones, rules, scene
from appliance.engines.doors.door import fold_door, fold_nothing
from appliance.engines.doors.messages import (
    ClearKeyRisk,
    CutKey,
    CutMaster,
    EndPhones,
    EnrolPhone,
    EvictResident,
    IssueDenylist,
    LogAccess,
    NoteDelivery,
    NoteKeyRisk,
    NoteMasterShown,
    NoteMasterUsed,
    NotePinShown,
    OpenDoor,
    PrepareKey,
    RemovePhone,
    RenewLease,
    RevokeKey,
    RevokeKeys,
    RevokeMaster,
    SettleOpening,
    TakeUpKeys,
)
from appliance.engines.doors.projection import PROJECTION
from appliance.engines.doors.reactions import INLINE
from appliance.kernel.engine import Engine, Handling

ENGINE: Final = Engine(
    name="doors",
    guards=True,  # nobody leaves with a key that was not revoked
    handlings=(
        Handling(
            command=CutKey, stream=scene.door_stream, load=scene.load_cut, decide=rules.cut_key
        ),
        Handling(
            command=RevokeKeys,
            stream=scene.revoke_stream,
            load=scene.load_revoke,
            decide=rules.revoke_keys,
        ),
        Handling(
            command=OpenDoor, stream=scene.door_stream, load=scene.load_door, decide=rules.open_door
        ),
        Handling(
            command=SettleOpening,
            stream=scene.door_stream,
            load=scene.load_state,
            decide=rules.settle_opening,
        ),
        Handling(
            command=LogAccess,
            stream=scene.lock_stream,
            load=scene.load_access,
            decide=rules.log_access,
        ),
        Handling(
            command=NoteDelivery,
            stream=scene.door_stream,
            load=scene.load_delivery,
            decide=rules.note_delivery,
        ),
        Handling(
            command=NotePinShown,
            stream=scene.door_stream,
            load=scene.load_key,
            decide=rules.note_pin_shown,
        ),
        Handling(
            command=RevokeKey,
            stream=scene.door_stream,
            load=scene.load_door,
            decide=rules.revoke_key,
        ),
        Handling(
            command=CutMaster,
            stream=masters.cut_stream,
            load=masters.load_cut,
            decide=masters.cut_master,
        ),
        Handling(
            command=RevokeMaster,
            stream=masters.master_stream,
            load=masters.load_master,
            decide=masters.revoke_master,
        ),
        Handling(
            command=NoteMasterShown,
            stream=masters.master_stream,
            load=masters.load_master,
            decide=masters.note_shown,
        ),
        Handling(
            command=NoteMasterUsed,
            stream=masters.master_stream,
            load=masters.load_master,
            decide=masters.note_used,
        ),
        Handling(
            command=IssueDenylist,
            stream=lambda *_: denylists.STREAM,
            load=denylists.load_issued,
            decide=denylists.issue_denylist,
        ),
        Handling(
            command=RenewLease,
            stream=leases.lease_stream,
            load=leases.load_renew,
            decide=leases.renew_lease,
        ),
        Handling(
            command=EvictResident,
            stream=leases.lease_stream,
            load=leases.load_evict,
            decide=leases.evict_resident,
        ),
        Handling(
            command=PrepareKey,
            stream=scene.door_stream,
            load=scene.load_ahead,
            decide=ahead.prepare_key,
        ),
        Handling(
            command=TakeUpKeys,
            stream=scene.door_stream,
            load=scene.load_door,
            decide=ahead.take_up_keys,
        ),
        Handling(
            command=NoteKeyRisk,
            stream=scene.risk_stream,
            load=scene.load_risks,
            decide=ahead.note_risk,
        ),
        Handling(
            command=ClearKeyRisk,
            stream=scene.risk_stream,
            load=scene.load_risks,
            decide=ahead.clear_risk,
        ),
        Handling(
            command=EnrolPhone,
            stream=phones.phone_stream,
            load=phones.load_enrol,
            decide=phones.enrol_phone,
        ),
        Handling(
            command=RemovePhone,
            stream=phones.phone_stream,
            load=phones.load_remove,
            decide=phones.remove_phone,
        ),
        Handling(
            command=EndPhones,
            stream=phones.phone_stream,
            load=phones.load_end,
            decide=phones.end_phones,
        ),
    ),
    folds={
        "doors": fold_door,
        "holders": leases.fold_holder,
        "locks": rules.fold_lock,
        "phones": fold_nothing,
        "masters": masters.fold_master,
        "denylists": denylists.fold_denylist,
        "risks": ahead.fold_risks,
    },
    projection=PROJECTION,
    inline=INLINE,
)
