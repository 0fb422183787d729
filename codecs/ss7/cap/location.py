"""Where a subscriber is (TS 29.002 §17.7.1, §17.7.8; that of a GPRS subscriber: TS 29.078 §5.1)."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Bits, Choice, Integer, Octets, Opaque, Tag, Untagged
from ss7.cap.common import AddressString, CellGlobalId, LocationAreaId, LocationNumber, Present

Age: TypeAlias = Annotated[int, Integer(0, 32767)]
"""Of location information, in minutes."""
ExtensionContainer: TypeAlias = Annotated[bytes, Opaque()]
GeographicalInformation: TypeAlias = Annotated[bytes, Octets(8, 8, "GeographicalInformation")]
GeodeticInformation: TypeAlias = Annotated[bytes, Octets(10, 10, "GeodeticInformation")]
LSAIdentity: TypeAlias = Annotated[bytes, Octets(3, 3)]
RAIdentity: TypeAlias = Annotated[bytes, Octets(6, 6, "RoutingAreaId")]


class CellGlobalIdOrServiceAreaIdOrLAI(Choice, frozen=True, gc=False):
    """Cell or service area (7 octets), or location area (5 octets)."""

    cell: ClassVar[Annotated[CellGlobalId, Tag(0, "cellGlobalIdOrServiceAreaIdFixedLength")]]
    area: ClassVar[Annotated[LocationAreaId, Tag(1, "laiFixedLength")]]


class UserCSGInformation(Struct, frozen=True, gc=False):
    """Closed subscriber group of a home cell."""

    csg_id: Annotated[Annotated[bytes, Bits(27, 27)], Tag(0, "csg-Id")]
    extension_container: Annotated[ExtensionContainer | None, Tag(1, "extensionContainer")] = None
    access_mode: Annotated[Annotated[bytes, Octets(1, 1)] | None, Tag(2, "accessMode")] = None
    cmi: Annotated[Annotated[bytes, Octets(1, 1)] | None, Tag(3, "cmi")] = None


class LocationInformationEPS(Struct, frozen=True, gc=False):
    """Location in an LTE network."""

    eutran_cell_global_identity: Annotated[
        Annotated[bytes, Octets(7, 7, "EutranCellGlobalId")] | None, Tag(0, "e-utranCellGlobalIdentity")
    ] = None
    tracking_area_identity: Annotated[
        Annotated[bytes, Octets(5, 5, "TrackingAreaId")] | None, Tag(1, "trackingAreaIdentity")
    ] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(2, "extensionContainer")] = None
    geographical_information: Annotated[GeographicalInformation | None, Tag(3, "geographicalInformation")] = (
        None
    )
    geodetic_information: Annotated[GeodeticInformation | None, Tag(4, "geodeticInformation")] = None
    current_location_retrieved: Annotated[Present, Tag(5, "currentLocationRetrieved")] = False
    age_of_location_information: Annotated[Age | None, Tag(6, "ageOfLocationInformation")] = None
    mme_name: Annotated[Annotated[bytes, Octets(9, 255, "DiameterIdentity")] | None, Tag(7, "mme-Name")] = (
        None
    )


class LocationInformation(Struct, frozen=True, gc=False):
    """Location of a subscriber."""

    age_of_location_information: Annotated[Age | None, Untagged("ageOfLocationInformation")] = None
    geographical_information: Annotated[GeographicalInformation | None, Tag(0, "geographicalInformation")] = (
        None
    )
    vlr_number: Annotated[AddressString | None, Tag(1, "vlr-number")] = None
    location_number: Annotated[LocationNumber | None, Tag(2, "locationNumber")] = None
    cell_global_id_or_service_area_id_or_lai: Annotated[
        CellGlobalIdOrServiceAreaIdOrLAI | None, Tag(3, "cellGlobalIdOrServiceAreaIdOrLAI")
    ] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(4, "extensionContainer")] = None
    selected_lsa_id: Annotated[LSAIdentity | None, Tag(5, "selectedLSA-Id")] = None
    msc_number: Annotated[AddressString | None, Tag(6, "msc-Number")] = None
    geodetic_information: Annotated[GeodeticInformation | None, Tag(7, "geodeticInformation")] = None
    current_location_retrieved: Annotated[Present, Tag(8, "currentLocationRetrieved")] = False
    sai_present: Annotated[Present, Tag(9, "sai-Present")] = False
    location_information_eps: Annotated[LocationInformationEPS | None, Tag(10, "locationInformationEPS")] = (
        None
    )
    user_csg_information: Annotated[UserCSGInformation | None, Tag(11, "userCSGInformation")] = None


class LocationInformationGPRS(Struct, frozen=True, gc=False):
    """Location of a GPRS subscriber."""

    cell_global_id_or_service_area_id_or_lai: Annotated[
        Annotated[bytes, Octets(5, 7, "CellOrLocationAreaId")] | None,
        Tag(0, "cellGlobalIdOrServiceAreaIdOrLAI"),
    ] = None
    routeing_area_identity: Annotated[RAIdentity | None, Tag(1, "routeingAreaIdentity")] = None
    geographical_information: Annotated[GeographicalInformation | None, Tag(2, "geographicalInformation")] = (
        None
    )
    sgsn_number: Annotated[AddressString | None, Tag(3, "sgsn-Number")] = None
    selected_lsa_identity: Annotated[LSAIdentity | None, Tag(4, "selectedLSAIdentity")] = None
    extension_container: Annotated[ExtensionContainer | None, Tag(5, "extensionContainer")] = None
    sai_present: Annotated[Present, Tag(6, "sai-Present")] = False
    user_csg_information: Annotated[UserCSGInformation | None, Tag(7, "userCSGInformation")] = None
